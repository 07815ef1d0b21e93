"""Resolved specs as YAML: the same model again, each value with where it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stspec.analysis.origins import annotate, flow
from stspec.compose import index, resolve
from stspec.network import load
from stspec.source import Mapping, from_python, read_text, to_plain


@pytest.mark.parametrize("name", sorted(index()))
def test_what_is_shown_gives_the_same_model(name: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.yaml"
    path.write_text(annotate(resolve(name).tree), encoding="utf-8")
    assert load(path).hashes.math == load(name).hashes.math


def test_every_value_tells_where_it_is_from() -> None:
    text = annotate(resolve("tam_resnet101", ["clip.frames=16"]).tree)
    lines = {
        line.split("#")[0].strip(): line.split("# ")[1]
        for line in text.splitlines()
        if "# " in line
    }
    assert lines["frames: 16"] == "--set"
    assert lines["size: 224"].startswith("families/tam.yaml:")
    assert lines["repeat: 23"].startswith("backbones/resnet101.yaml:")
    assert lines["name: resnet101"].startswith("backbones/resnet101.yaml:")


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30)
ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | TEXT
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXT.filter(bool), VALUES, min_size=1, max_size=4))
def test_any_value_is_read_back(value: dict[str, object]) -> None:
    tree = from_python(value)
    assert isinstance(tree, Mapping)
    text = annotate(Mapping((), tree.span).with_entry(*next(iter(wrapped(tree).entries))), 60)
    assert to_plain(read_text(text, "shown")) == {"k": to_plain(tree)}
    assert to_plain(read_text(f"k: {flow(tree)}", "shown")) == {"k": to_plain(tree)}


def wrapped(tree: Mapping) -> Mapping:
    whole = from_python({"k": 0})
    assert isinstance(whole, Mapping)
    return whole.with_entry(whole.entries[0][0], tree)
