from pathlib import Path

import pytest

from stspec.compose import data_root, find, index, locate_model, names, resolve
from stspec.compose.locate import Kind
from stspec.diagnostics import Span, SpecError, display_path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small library of specs in place of the shipped one."""
    for name, text in {
        "families/i3d": "stspec: 1\nvariants: {big: {a: 1}, r50_tp: {a: 2}}\n",
        "families/tam": "stspec: 1\nvariants: {r50: {a: 1}, r50_b5: {a: 2}}\n",
        "families/broken": "a: [\n",
        "tam_r50": "stspec: 1\n",
        "backbones/resnet50": "stspec: 1\n",
        "policies/tam": "stspec: 1\n",
    }.items():
        path = tmp_path / "specs" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr("stspec.compose.locate.data_root", lambda: tmp_path)
    return tmp_path / "specs"


def test_the_root_holds_specs_and_templates() -> None:
    assert (data_root() / "specs").is_dir()
    assert (data_root() / "templates").is_dir()


def test_names_become_files(root: Path) -> None:
    assert find("model", "i3d") == root / "families" / "i3d.yaml"
    assert find("model", "families/i3d") == root / "families" / "i3d.yaml"
    assert find("model", "tam_r50") == root / "tam_r50.yaml"
    assert find("backbone", "resnet50") == root / "backbones" / "resnet50.yaml"
    assert find("policy", "tam") == root / "policies" / "tam.yaml"


@pytest.mark.parametrize(
    ("name", "stem", "variant"),
    [
        ("i3d_big", "i3d", "big"),
        ("i3d_r50_tp", "i3d", "r50_tp"),
        ("i3d:big", "i3d", "big"),
        ("families/i3d_big", "i3d", "big"),
        ("families/i3d:big", "i3d", "big"),
        ("tam_r50", "tam_r50", None),
        ("tam:r50", "tam", "r50"),
        ("tam_r50_b5", "tam", "r50_b5"),
    ],
)
def test_variants_are_addressed_by_name(
    root: Path, name: str, stem: str, variant: str | None
) -> None:
    path, found = locate_model(name)
    assert (path.stem, found) == (stem, variant)


def test_the_index_lists_files_before_variants(root: Path) -> None:
    found = index()
    assert found["tam_r50"] == (root / "tam_r50.yaml", None)
    assert found["tam_r50_b5"] == (root / "families" / "tam.yaml", "r50_b5")
    assert found["broken"] == (root / "families" / "broken.yaml", None)
    assert list(found) == sorted(found)
    assert names("policy") == ["tam"]


def test_a_family_behind_a_model_of_the_same_name(root: Path) -> None:
    (root / "tam.yaml").write_text("stspec: 1\n", encoding="utf-8")
    assert index()["tam"] == (root / "tam.yaml", None)
    assert index()["families/tam"] == (root / "families" / "tam.yaml", None)


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "",
        ".",
        "..",
        "../specs/tam_r50",
        "families/../tam_r50",
        "backbones/resnet50",
        "/etc/passwd",
        "tam_r50\0",
        "~root",
        "a\nb",
        "x" * 10_000,
        "i3d_small",
        "i3d_",
        "_",
        ":",
        "nothing:big",
        "./absent.yaml",
        "absent.yaml",
        "absent.yaml:big",
        "x" * 10_000 + ".yaml",
        "nul\0.yaml",
    ],
)
def test_unknown_and_odd_names(root: Path, name: str) -> None:
    kinds: tuple[Kind, ...] = ("model", "backbone", "policy")
    for kind in kinds:
        with pytest.raises(SpecError) as caught:
            find(kind, name)
        (diagnostic,) = caught.value.diagnostics
        assert diagnostic.code == "unknown-spec"
        assert str(caught.value)


def test_paths_are_relative_to_the_file_that_names_them(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("stspec: 1\n", encoding="utf-8")
    span = Span("spec.yaml", 1, 1, 1, 2)
    assert find("policy", "./mine.yaml", tmp_path, span) == tmp_path / "mine.yaml"
    with pytest.raises(SpecError, match="relative to this file"):
        find("policy", str(tmp_path / "mine.yaml"), tmp_path, span)
    assert find("policy", str(tmp_path / "mine.yaml")) == tmp_path / "mine.yaml"


def test_the_nearest_name_is_offered(root: Path) -> None:
    with pytest.raises(SpecError, match="did you mean `tam_r50_b5`"):
        find("model", "tam_r50_b6")
    with pytest.raises(SpecError, match="did you mean `families/tam`"):
        find("model", "families/tma")
    with pytest.raises(SpecError, match="choose from `broken`, `i3d`, `tam`"):
        find("model", "completely_different")


@pytest.mark.parametrize(
    ("kind", "name", "known"),
    [
        ("model", "tam_r50.yaml", "model `tam_r50`"),
        ("model", "./tam_r50_b5.yml", "model `tam_r50_b5`"),
        ("policy", "tam.yaml", "policy `tam`"),
    ],
)
def test_a_path_that_is_a_name_with_a_suffix(root: Path, kind: Kind, name: str, known: str) -> None:
    with pytest.raises(SpecError, match=f"there is a {known}: write its name without `.ya?ml`"):
        find(kind, name)


def test_a_name_that_is_a_path_without_its_suffix(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("base.yaml", "tam_r5.yml", "folder/wide.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("stspec: 1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("base.yaml", "tam_r5.yml", "folder/wide.yaml"):
        with pytest.raises(SpecError, match=f"did you mean the file `{name}`"):
            find("model", name.rpartition(".")[0])
    monkeypatch.chdir(root)
    with pytest.raises(SpecError, match=r"did you mean the file `base\.yaml`"):
        find("policy", "base", tmp_path, Span("mine.yaml", 1, 1, 1, 2))
    with pytest.raises(SpecError, match="the only choice is `tam`"):
        find("policy", "base", tmp_path, Span(display_path(tmp_path / "base.yaml"), 1, 1, 1, 2))


def test_every_shipped_model_resolves() -> None:
    for name in index():
        composed = resolve(name)
        assert composed.name == name
        assert "extends" not in composed.tree
        assert "variants" not in composed.tree


def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    for target in ("link.yaml", "absent.yaml"):  # itself, and nothing
        link.symlink_to(target)
        with pytest.raises(SpecError) as caught:
            find("model", str(link))
        assert "is a link that leads nowhere" in caught.value.diagnostics[0].message
        link.unlink()
