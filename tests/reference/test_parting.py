"""Which module of the original a module of ours is compared with, where the two part."""

from __future__ import annotations

from stspec.reference.verify import _module_names
from stspec.weights.report import Entry, Imported, Report

PUBLIC = {
    "s2.res0.branch1": ["layer1.0.downsample.0"],
    "s2.res0.branch2.a": ["layer1.0.conv1"],
    "s2.res0.branch2.b.net": ["layer1.0.conv2"],
    "s2.res1.branch2.a": ["layer1.1.conv1"],
    "s2.res1.branch2.b.net": ["layer1.1.conv2"],
}


def test_modules_that_own_the_same_tensors_are_the_same() -> None:
    entries = [
        Entry(f"{ours}.weight", "loaded", (1,), (f"{public}.weight",))
        for public, modules in PUBLIC.items()
        for ours in modules
    ]
    # One tensor of ours from two modules there is neither's alone.
    sources = ("tam.prev.weight", "tam.next.weight")
    entries.append(Entry("tam.weight", "loaded", (1,), sources))
    known = {"layer1", "layer1.0", "layer1.1", "layer1.0.downsample", "tam"}
    known |= {ours for modules in PUBLIC.values() for ours in modules}
    names = _module_names(Imported({}, Report("someone", tuple(entries))), known)
    assert names["s2.res0"] == "layer1.0"
    assert "s2.res0.branch2" not in names  # the shortcut is not in it
    assert names["s2.res1"] == "layer1.1"
    assert "s2.res1.branch2" not in names  # what is around it adds the shortcut
    assert names["s2.res0.branch2.b.net"] == "layer1.0.conv2"
    assert "s2.res0.branch2.b" not in names  # something may follow the operator there
    assert names["tam"] == "tam" and not {"tam.prev", "tam.next"} & set(names)
