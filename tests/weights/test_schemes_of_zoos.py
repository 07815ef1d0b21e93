"""pytorchvideo's, PySlowFast's and mmaction2's names of C2D, I3D, Slow and X3D: all are mapped."""

from __future__ import annotations

import pytest

from stspec.weights.importer import import_state_dict
from stspec.weights.library import recognise
from tests.weights.test_schemes import NAMES, elements, empty, mapped, public

CODE_BASES = {"ptv": "pytorchvideo", "psf": "pyslowfast", "mm": "mmaction2"}
SYSTEMS = ("c2d", "i3d", "slow", "slowonly", "x3d")
RECORDED = [
    name
    for name in NAMES
    if name.split("_")[0] in CODE_BASES and name.split("_")[1] in SYSTEMS and public(name)
]


def test_there_are_oracles_of_all() -> None:
    found = {tuple(name.split("_")[:2]) for name in RECORDED}
    assert {("ptv", "x3d"), ("psf", "slow"), ("mm", "i3d")} <= found


@pytest.mark.parametrize("name", RECORDED)
def test_no_element_is_lost_and_the_scheme_is_recognised(name: str) -> None:
    shapes = public(name)
    assert recognise(shapes) == CODE_BASES[name.split("_")[0]]
    ours = mapped(name)
    assert elements(ours) == elements(shapes)
    assert import_state_dict(empty(shapes), ours).report.complete
    wrapped = {f"module.{key}": shape for key, shape in shapes.items()}
    assert import_state_dict(empty(wrapped), ours).report.complete


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ptv_c2d_r50", "psf_c2d_r50"),
        ("ptv_i3d_r50", "psf_i3d_r50"),
        ("ptv_slow_r50", "mm_slowonly_r50"),
        ("psf_x3d_s", "mm_x3d_s"),
    ],
)
def test_code_bases_agree_on_one_network(one: str, other: str) -> None:
    def flat(name: str) -> dict[str, tuple[int, ...]]:
        expected = {"conv1.weight", "bn1.weight", "fc.weight", "fc.bias"}
        expected |= {"conv1_t.weight"} if "x3d" in name else set()
        found = mapped(name, expected=expected)
        return {key: tuple(n for n in shape if n > 1) for key, shape in found.items()}

    assert flat(one) == flat(other)
