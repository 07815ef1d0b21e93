"""Whatever a spec says: a network whose source is Python, or a SpecError; never slow."""

from __future__ import annotations

import ast
import time
from collections.abc import Mapping as AnyMapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from stspec.compose import data_root
from stspec.diagnostics import SpecError
from stspec.diagnostics.render import render_github, render_json, render_terminal
from stspec.network import load
from tests.fuzz.mutations import BASES, mutated, spliced, texts, values

LIMIT = 5.0
"""Seconds of CPU that a spec may take; without its mistakes it takes a fiftieth."""


def survives(target: AnyMapping[str, Any] | Path, overrides: Any = ()) -> str:
    """Check what becomes of a spec and return it: accepted, or the code of its refusal."""
    start = time.process_time()
    try:
        emitted = load(target, overrides).emit()
    except SpecError as error:
        for diagnostic in error.diagnostics:
            assert diagnostic.code and diagnostic.message
            assert "pydantic" not in str(diagnostic)
        for render in (render_terminal, render_json, render_github):
            assert not any(c < " " and c != "\n" for c in render(error.diagnostics))
        return error.diagnostics[0].code
    finally:
        assert time.process_time() - start < LIMIT
    tree = ast.parse(emitted.text)
    assert isinstance(tree.body[0], ast.Expr)
    for node in tree.body[1:]:
        kinds = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)
        assert isinstance(node, kinds), ast.unparse(node)[:80]
    compile(tree, "emitted", "exec")
    return "accepted"


@pytest.mark.parametrize("base", BASES, ids=["own", "extending", "inserting"])
def test_the_specs_are_valid_before(base: dict[str, Any]) -> None:
    assert survives(base) == "accepted"


@settings(max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_mutated_values(spec: dict[str, Any]) -> None:
    event(survives(spec))


SHIPPED = tuple(
    path.read_text(encoding="utf-8")
    for folder in ("families", "policies", "backbones")
    for path in sorted((data_root() / "specs" / folder).glob("*.yaml"))
)
INLINE = """\
stspec: 1
backbone:
  layers:
    conv1: {op: conv2d, width: 8, kernel: 3, stride: 2, role: stem, stage: 1}
    bn1: {op: batch_norm}
    layer1: {block: basic, width: 8, repeat: 2, stage: 2}
    tail: {sequence: [{block: conv_sequence, width: 8}, {op: relu}]}
clip: {frames: 4, size: 32}
policy:
  spatial:
    wide: {where: {kernel: 3, not: {role: stem}}, to: conv3d, kernel_t: {each: [3, 1]}}
  temporal:
    tam: {insert: tam, at: {role: [residual_start, module_output]}, kernel: 3}
  pooling: none
head: {dropout: 0.5, classify: per_clip}
variants:
  wide: {policy.spatial.wide.kernel_t: 5}
"""


@settings(max_examples=800, suppress_health_check=[HealthCheck.too_slow])
@given(spliced((INLINE, INLINE, INLINE, *SHIPPED)))
def test_mutated_texts(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    event(survives(path))


KEYS = """\
policy backbone head clip layers spatial temporal wide tam kernel_t each at where pooling frames
size 0 1 sequence features conv1 layer1 role stages extends about classes x
"""
segments = st.sampled_from(KEYS.split())


@settings(max_examples=500)
@given(
    st.sampled_from(BASES),
    st.lists(
        st.tuples(st.lists(segments, min_size=1, max_size=5).map(".".join) | texts, values),
        min_size=1,
        max_size=3,
    ),
)
def test_overrides_of_any_path(spec: dict[str, Any], overrides: list[tuple[str, Any]]) -> None:
    event(survives(spec, overrides))


@settings(max_examples=300)
@given(st.sampled_from(BASES), st.lists(st.text(max_size=30), min_size=1, max_size=2))
@example(BASES[0], ["policy.temporal.tam.insert=../x.py:Y"])
@example(BASES[0], ["policy.temporal.tam.insert=" + "x" * 300 + ".py"])
@example(BASES[0], ["clip.frames=[1"])
def test_overrides_of_any_text(spec: dict[str, Any], overrides: list[str]) -> None:
    event(survives(spec, overrides))
