from pathlib import Path
from typing import Any

import pytest

from stspec.compose import Composed, resolve
from stspec.diagnostics import SpecError
from stspec.source import Mapping, Node, read_text, to_plain

FILES = {
    "specs/backbones/r18": "stspec: 1\nabout: small\nlayers: {a: {w: 1}}\n",
    "specs/backbones/r50": "stspec: 1\nextends: r18\ntitle: R50\nlayers: {b: {w: 2}}\n",
    "specs/policies/base": "stspec: 1\nabout: b\npaper: P\nspatial: {x: {k: 1}}\npooling: none\n",
    "specs/policies/tam": "stspec: 1\nextends: base\ntemporal: {tam: {k: 3, at: [a, b]}}\n",
    "specs/policies/i3d": "stspec: 1\nspatial: {wide: {k: 3}}\n",
    "specs/families/tam": (
        "stspec: 1\nabout: the family\ntitle: TAM\npaper: Fan\nbackbone: r50\n"
        "clip: {frames: 8, size: 224}\npolicy: tam\nclasses: 400\nvariants:\n"
        "  r18: {backbone: r18, clip.frames: 16}\n"
        "  five: {about: wide one, policy.temporal.tam.k: 5}\n"
        "  lone: {policy.temporal: null, policy: {pooling: {op: max}}}\n"
    ),
    "specs/tam_r50": "stspec: 1\nabout: the model\nextends: families/tam\n",
    "specs/tam_small": "stspec: 1\nextends: tam_r18\nclasses: 10\n",
}


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small library of specs in place of the shipped one, and an empty working directory."""
    root = tmp_path / "library"
    for name, text in FILES.items():
        path = root / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr("stspec.compose.locate.data_root", lambda: root)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return root


def write(name: str, text: str) -> None:
    path = Path(f"{name}.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("stspec: 1\n" + text, encoding="utf-8")


def plain(composed: Composed) -> dict[str, Any]:
    tree = to_plain(composed.tree)
    assert isinstance(tree, dict)
    return tree


def at(composed: Composed, *path: str) -> Node:
    node: Node | None = composed.tree
    for key in path:
        assert isinstance(node, Mapping)
        node = node.get(key)
    assert node is not None
    return node


def codes(*args: Any, **kwargs: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        resolve(*args, **kwargs)
    assert str(caught.value)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


TAM_POLICY = {
    "name": "tam",
    "paper": "P",
    "spatial": {"x": {"k": 1}},
    "pooling": "none",
    "temporal": {"tam": {"k": 3, "at": ["a", "b"]}},
}


def test_a_model_in_full() -> None:
    assert plain(resolve("tam_r50")) == {
        "name": "tam_r50",
        "stspec": 1,
        "title": "TAM",
        "paper": "Fan",
        "backbone": {"name": "r50", "layers": {"a": {"w": 1}, "b": {"w": 2}}, "title": "R50"},
        "clip": {"frames": 8, "size": 224},
        "policy": TAM_POLICY,
        "classes": 400,
        "about": "the model",
    }


def test_texts_are_inherited_but_for_about() -> None:
    write("child", "extends: tam_r50\n")
    tree = plain(resolve("child.yaml"))
    assert "about" not in tree
    assert (tree["title"], tree["paper"]) == ("TAM", "Fan")
    assert "about" not in tree["policy"]
    assert plain(resolve("tam"))["about"] == "the family"
    assert "about" not in plain(resolve("tam:r18"))
    assert plain(resolve("tam:five"))["about"] == "wide one"


def test_variants() -> None:
    tree = plain(resolve("tam_r18"))
    assert tree["name"] == "tam_r18"
    assert tree["clip"] == {"frames": 16, "size": 224}
    assert tree["backbone"] == {"name": "r18", "about": "small", "layers": {"a": {"w": 1}}}
    assert list(tree) == [key for key in plain(resolve("tam")) if key != "about"]
    assert plain(resolve("tam", variant="r18")) == tree
    assert plain(resolve("families/tam:r18")) == tree
    lone = plain(resolve("tam:lone"))["policy"]
    assert "temporal" not in lone
    assert lone["pooling"] == {"op": "max"}


def test_a_variant_can_be_extended() -> None:
    tree = plain(resolve("tam_small"))
    assert (tree["name"], tree["classes"], tree["backbone"]["name"]) == ("tam_small", 10, "r18")


def test_a_variant_of_a_file() -> None:
    write("mine", "extends: tam\nvariants: {big: {clip.frames: 64}}\n")
    composed = resolve("./mine.yaml:big")
    assert composed.name == "mine_big"
    assert plain(composed)["clip"]["frames"] == 64
    assert resolve(Path("mine.yaml"), variant="big").tree == composed.tree


def test_variants_are_not_inherited() -> None:
    write("mine", "extends: tam\n")
    assert codes("mine.yaml:r18") == ["unknown-variant"]
    assert codes("tam:nothing") == ["unknown-variant"]


def test_a_mapping_merges_into_what_the_parents_text_names() -> None:
    write("mine", "extends: tam\npolicy: {temporal: {tam: {k: 7}}, spatial: {x: null}}\n")
    policy = plain(resolve("mine.yaml"))["policy"]
    assert policy["temporal"] == {"tam": {"k": 7, "at": ["a", "b"]}}
    assert policy["spatial"] == {}
    assert policy["name"] == "tam"


@pytest.mark.parametrize("policy", ["i3d", "{extends: i3d}"])
def test_a_reference_replaces_the_parents_value_whole(policy: str) -> None:
    write("mine", f"extends: tam\npolicy: {policy}\n")
    assert plain(resolve("mine.yaml"))["policy"] == {"name": "i3d", "spatial": {"wide": {"k": 3}}}


def test_a_mapping_over_its_own_reference() -> None:
    write("mine", "backbone: {extends: r50, layers: {a: {w: 9}}}\npolicy: {spatial: {}}\n")
    tree = plain(resolve("mine.yaml"))
    assert tree["backbone"]["layers"] == {"a": {"w": 9}, "b": {"w": 2}}
    assert tree["policy"] == {"spatial": {}}, "a policy that is written out has no name"


@pytest.mark.parametrize(
    ("override", "policy"),
    [
        ("policy=i3d", {"name": "i3d", "spatial": {"wide": {"k": 3}}}),
        ("policy.extends=i3d", {"name": "i3d", "spatial": {"wide": {"k": 3}}}),
        ("policy={extends: i3d, pooling: none}",
         {"name": "i3d", "spatial": {"wide": {"k": 3}}, "pooling": "none"}),
        ("policy.temporal.tam.k=5",
         {**TAM_POLICY, "temporal": {"tam": {"k": 5, "at": ["a", "b"]}}}),
        ("policy.temporal.tam.at.1=c",
         {**TAM_POLICY, "temporal": {"tam": {"k": 3, "at": ["a", "c"]}}}),
        ("policy.temporal=null", {k: v for k, v in TAM_POLICY.items() if k != "temporal"}),
        ("policy={pooling: {op: max}}", {**TAM_POLICY, "pooling": {"op": "max"}}),
    ],
)  # fmt: skip
def test_overrides_reach_into_references(override: str, policy: dict[str, Any]) -> None:
    assert plain(resolve("tam_r50", [override]))["policy"] == policy


def test_overrides_apply_in_order_after_the_variant() -> None:
    tree = plain(resolve("tam:r18", ["policy=i3d", "policy.spatial.wide.k=5", ("clip.frames", 4)]))
    assert tree["policy"]["spatial"]["wide"]["k"] == 5
    assert tree["clip"]["frames"] == 4
    assert "policy" not in plain(resolve("tam", ["policy=null"]))


def test_relative_paths_start_at_the_file_that_names_them() -> None:
    write("deep/base", "policy: ./mine.yaml\nbackbone: r18\n")
    write("deep/mine", "spatial: {here: {k: 1}}\n")
    write("child", "extends: ./deep/base.yaml\n")
    composed = resolve("child.yaml")
    assert plain(composed)["policy"] == {"name": "mine", "spatial": {"here": {"k": 1}}}
    assert [path.name for path in composed.files] == [
        "child.yaml", "base.yaml", "mine.yaml", "r18.yaml",
    ]  # fmt: skip
    assert plain(resolve("tam", ["policy=./deep/mine.yaml"]))["policy"]["name"] == "mine"


def test_files_that_left_nothing_are_not_listed() -> None:
    used = [path.stem for path in resolve("tam_r18", ["policy=i3d"]).files]
    assert used == ["tam", "r18", "i3d"]


def test_every_value_knows_where_it_came_from() -> None:
    composed = resolve("tam:five", ["clip.frames=16"])
    kernel = at(composed, "policy", "temporal", "tam", "k")
    assert kernel.origin[0] == "variant five"
    assert kernel.span.line == 11
    frames = at(composed, "clip", "frames")
    assert (frames.span.file, frames.origin) == ("<--set>", ("--set",))
    spatial = at(composed, "policy", "spatial", "x", "k")
    assert [Path(step).name for step in spatial.origin] == ["base.yaml", "tam.yaml", "tam.yaml"]
    assert [step.split()[0] for step in spatial.origin[1:]] == ["extended", "named"]
    size = at(resolve("tam_r50"), "clip", "size")
    assert [Path(step).name for step in size.origin] == ["tam.yaml", "tam_r50.yaml"]


def test_specs_made_in_python() -> None:
    spec = {"extends": "tam", "clip": {"frames": 32}, "variants": {"x": {"classes": 2}}}
    composed = resolve(spec)
    assert composed.name == "custom"
    assert plain(composed)["clip"] == {"frames": 32, "size": 224}
    assert Path(at(composed, "clip", "frames").span.file).name == "test_resolve.py"
    assert plain(resolve({**spec, "name": "mine"}, variant="x"))["name"] == "mine_x"
    assert codes({"extends": "nothing"}) == ["unknown-spec"]


def test_a_resolved_tree_resolves_to_itself() -> None:
    composed = resolve("tam_r50", ["clip.frames=16"])
    assert resolve(composed.tree).tree == composed.tree
    assert plain(resolve(plain(composed))) == plain(composed)


def test_a_tree_that_was_read() -> None:
    tree = read_text("stspec: 1\nextends: tam\nname: given\n", "<text>")
    assert resolve(tree).name == "given"


def test_trees_share_nothing_that_can_change() -> None:
    before = plain(resolve("tam_r50"))
    plain(resolve("tam_r50", ["clip.frames=99", "policy=i3d"]))
    assert plain(resolve("tam_r50")) == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("extends: ./mine.yaml\n", ["circular-extends"]),
        ("extends: [tam]\n", ["wrong-type"]),
        ("extends: 3\n", ["wrong-type"]),
        ("extends: ../../../../etc/passwd\n", ["unknown-spec"]),
        ("extends: /etc/passwd.yaml\n", ["unknown-spec"]),
        ("policy: {extends: [tam]}\n", ["wrong-type"]),
        ("policy: nothing\nbackbone: nothing\n", ["unknown-spec"] * 2),
        ("policy: ./mine.yaml:r18\n", ["unknown-spec"]),
        ("name: other\n", ["fixed-key"]),
        ("variants: 3\n", ["wrong-type"]),
        ("variants: {a: 3, b: [1]}\n", ["wrong-type"] * 2),
        ("variants: null\nextends: null\n", []),
    ],
)
def test_mistakes(text: str, expected: list[str]) -> None:
    write("mine", text)
    if expected:
        found = codes("mine.yaml", ["clip.frames"])
        assert sorted(found) == sorted(["bad-override", *expected]), "all mistakes at once"
    else:
        resolve("mine.yaml")


def test_circles_through_variants_and_references() -> None:
    write("a", "extends: ./b.yaml:x\nvariants: {x: {classes: 1}}\n")
    write("b", "extends: ./a.yaml\nvariants: {x: {classes: 1}}\n")
    assert codes("a.yaml") == ["circular-extends"]
    write("p", "extends: ./q.yaml\n")
    write("q", "extends: ./q.yaml\n")
    write("m", "policy: ./p.yaml\n")
    assert codes("m.yaml") == ["circular-extends"]


def test_a_variant_of_itself_is_no_circle() -> None:
    write("a", "extends: ./a.yaml:x\nvariants: {x: {classes: 1}}\n")
    assert codes("a.yaml") == ["circular-extends"]


@pytest.mark.parametrize("key", ["stspec", "name", "extends", "variants"])
def test_keys_that_cannot_be_overridden(key: str) -> None:
    assert codes("tam", [f"{key}=tam"]) == ["fixed-key"]


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("", "missing-key"),
        ("stspec: 2\n", "newer-language"),
        ("stspec: 0\n", "bad-version"),
        ("stspec: -1\n", "bad-version"),
        ("stspec: '1'\n", "wrong-type"),
        ("stspec: 1.0\n", "wrong-type"),
        ("stspec: true\n", "wrong-type"),
        ("stspec: [1]\n", "wrong-type"),
    ],
)
def test_the_version_is_checked_in_every_file(version: str, code: str) -> None:
    for name in ("model", "parent", "policy"):
        Path(f"{name}.yaml").write_text(version + "about: x\n", encoding="utf-8")
    write("child", "extends: ./parent.yaml\npolicy: ./policy.yaml\n")
    assert codes("model.yaml") == [code]
    assert codes("child.yaml") == [code, code]


def test_long_chains() -> None:
    write("s0", "classes: 1\n")
    for i in range(1, 400):
        write(f"s{i}", f"extends: ./s{i - 1}.yaml\n")
    assert plain(resolve("s39.yaml"))["classes"] == 1
    assert codes("s399.yaml") == ["too-deep"]
