"""Checkpoints come back to the bit, and logs are cut where they must be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stspec.diagnostics import SpecError
from stspec.runs import Log, latest_checkpoint, save_checkpoint
from stspec.runs.checkpoint import BadCheckpointError, read_checkpoint
from stspec.runs.environment import differences
from stspec.runs.log import holds, read_log


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    """Values, types and memory formats: optimisers round otherwise in another one."""
    tensors = {
        "plain": torch.randn(3, 4),
        "last": torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last),
        "half": torch.randn(7).bfloat16(),
        "count": torch.tensor(5),
        "nothing": torch.empty(0, 3),
        "odd": torch.tensor([float("nan"), float("inf"), -0.0]),
    }
    path = save_checkpoint(tmp_path, 12, tensors, {"position": {"step": 12}})
    found = read_checkpoint(path)
    assert found.step == 12 and found.values == {"position": {"step": 12}}
    assert found.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        back = found.tensors[name]
        assert (back.dtype, back.shape, back.stride()) == (
            tensor.dtype, tensor.shape, tensor.stride(),
        )  # fmt: skip
        same = back.contiguous().view(-1).view(torch.uint8)
        assert torch.equal(same, tensor.contiguous().view(-1).view(torch.uint8)), name


def test_two_are_kept_and_passing_files_are_swept(tmp_path: Path) -> None:
    (tmp_path / ".step-00000001.json.x1y2").write_text("left by a kill")
    (tmp_path / "step-00000002.safetensors").write_text("its description was never written")
    for step in (3, 6, 9):
        save_checkpoint(tmp_path, step, {"x": torch.zeros(1)}, {})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"step-0000000{n}.{end}" for n in (6, 9) for end in ("json", "safetensors")]


def test_every_byte_of_a_description_counts(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, {"x": torch.zeros(1)}, {"losses": [0.25, 0.5]})
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            found = read_checkpoint(path)
        except BadCheckpointError:
            continue
        # White space may stand for white space.
        assert found.values == {"losses": [0.25, 0.5]} and found.step == 1, at


def test_the_newest_good_one(tmp_path: Path) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, step, {"x": torch.full((1,), float(step))}, {})
    told: list[str] = []
    found = latest_checkpoint(tmp_path, told.append, lambda c: "too new" if c.step == 2 else None)
    assert found is not None and found.step == 1
    assert told == ["passing over step-00000002: too new"]
    assert latest_checkpoint(tmp_path / "none", told.append, lambda _: None) is None


def test_a_log_is_cut_back_to_a_mark(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.jsonl")
    log.start()
    log.write({"step": 0})
    mark = log.mark()
    log.write({"step": 1})
    log.close()
    assert holds(log.path, mark)
    log.start(mark)
    log.write({"step": "one"})
    log.close()
    assert list(read_log(log.path)) == [{"step": 0}, {"step": "one"}]
    log.path.write_text(log.path.read_text().replace("0", "7"))
    assert not holds(log.path, mark)


def test_a_line_cut_short_is_left_out_and_a_damaged_one_told(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 0}\n{"st')
    assert list(read_log(path)) == [{"step": 0}]
    path.write_text('{"step": 0}\n{"st\n{"step": 2}\n')
    with pytest.raises(SpecError, match="line 2"):
        list(read_log(path))


def test_what_keeps_a_run_from_going_on_bit_for_bit() -> None:
    before = {"torch": "2.6", "threads": 1, "python": "3.11"}
    assert differences(before, {**before, "python": "3.12"}) == []
    assert differences(before, {**before, "threads": 2}) == ["threads 2, was 1"]
