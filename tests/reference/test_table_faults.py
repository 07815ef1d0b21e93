"""Tables and oracles with mistakes: each is told at its place, and the other rows go on."""

import json
from pathlib import Path
from typing import Any

import pytest

from stspec.diagnostics import SpecError
from stspec.reference.verify import read_table, verify_table

LAYERS = "{conv1: {op: conv2d, width: 4}}"
SPEC = f"{{name: mine, clip: {{frames: 2, size: 8}}, policy: {{}}, backbone: {{layers: {LAYERS}}}}}"
RECORDED: dict[str, Any] = {
    "input": [1, 3, 2, 8, 8],
    "macs_input": [1, 3, 2, 8, 8],
    "params": 27,
    "macs": 1556,
    "logits": [0.0, 0.0, 0.0],
    "state_dict": {f"{layer}.weight": [4, 3, 1, 1] for layer in ("conv1", *"abcde")},
    "source": "someone",
}


def table(folder: Path, *rows: str, version: int = 1) -> Path:
    path = folder / "table.yaml"
    lines = "".join(f"  - {row}\n" for row in rows)
    path.write_text(f"stspec: {version}\nrows:{'' if rows else ' []'}\n{lines}")
    return path


def codes(path: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read_table(path)
    return [found.code for found in caught.value.diagnostics]


def told(folder: Path, row: str, **recorded: Any) -> str:
    """Verify a row, and return what its one failure says; a second row must be reached."""
    (folder / "one.json").write_text(json.dumps({**RECORDED, **recorded}))
    first, second = verify_table(table(folder, row, "{oracle: none, spec: tam}"), folder)
    assert "no oracle named `none`" in second.checks[0].detail
    (check,) = first.checks
    return check.detail


def test_all_rows_are_told_at_once(tmp_path: Path) -> None:
    rows = (
        "3",
        "{oracle: a}",
        "{oracle: a, spec: tam, axes: tchw}",
        "{oracle: a, spec: tam, x: 1}",
    )
    assert codes(table(tmp_path, *rows)) == [
        "wrong-type", "missing-key", "unknown-choice", "unknown-key",
    ]  # fmt: skip


def test_a_table_of_a_newer_language_is_refused(tmp_path: Path) -> None:
    assert codes(table(tmp_path, "{oracle: a, spec: tam}", version=2)) == ["newer-language"]


def test_a_table_without_rows_agrees_with_nothing(tmp_path: Path) -> None:
    assert codes(table(tmp_path)) == ["bad-length"]


@pytest.mark.parametrize("shape", [[1, 2], [1, 2, 3, 8, 8, 8]])
def test_an_input_of_other_axes(tmp_path: Path, shape: list[int]) -> None:
    row = f"{{oracle: one, spec: {SPEC}}}"
    assert f"has {len(shape)} axes" in told(tmp_path, row, input=shape)


def test_axes_that_are_not_the_inputs(tmp_path: Path) -> None:
    detail = told(tmp_path, f"{{oracle: one, spec: {SPEC}, axes: ntc}}")
    assert "has 5 axes" in detail
    assert "one of `ncthw`, `ntchw`" in detail


def test_frames_that_are_no_clips(tmp_path: Path) -> None:
    row = f"{{oracle: one, spec: {SPEC}, axes: nchw, set: {{classes: 3}}}}"
    assert "3 frames, which are no clips of 2" in told(tmp_path, row, input=[3, 3, 8, 8])


def test_what_the_oracle_says_is_blamed_on_its_row(tmp_path: Path) -> None:
    detail = told(tmp_path, f"{{oracle: one, spec: {SPEC}}}", macs_input=[1, 3, 5000, 8, 8])
    assert "`clip.frames` must be at most" in detail
    assert "table.yaml:3:" in detail


@pytest.mark.parametrize("shape", [[10**9, 10**9], [-1]])
def test_sizes_that_no_model_has(tmp_path: Path, shape: list[int]) -> None:
    detail = told(tmp_path, f"{{oracle: one, spec: {SPEC}}}", state_dict={"a.weight": shape})
    assert "is malformed" in detail


def test_tensors_of_both_sides_are_counted(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(RECORDED))
    (result,) = verify_table(table(tmp_path, f"{{oracle: one, spec: {SPEC}}}"), tmp_path)
    assert result.checks[0].detail.splitlines()[1:] == [
        "not accounted for of ours: fc.weight, fc.bias",
        "not accounted for of theirs: a.weight, b.weight, c.weight and 2 more",
    ]


def test_an_importer_lies_beside_its_table(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(RECORDED))
    rules = "\n".join(f"  - {{drop: {layer}.weight, reason: not ours}}" for layer in "abcde")
    (tmp_path / "names.yaml").write_text(
        "stspec: 1\nabout: names\ncode_base: https://example.org\n"
        f'recognise: ["a.weight"]\nrules:\n{rules}\n'
    )
    row = f"{{oracle: one, spec: {SPEC}, importer: names.yaml}}"
    (result,) = verify_table(table(tmp_path, row), tmp_path)
    assert result.checks[0].detail.splitlines()[1:] == [
        "not accounted for of ours: fc.weight, fc.bias"
    ]
