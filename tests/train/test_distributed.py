"""Two processes (gloo) against one; torchrun where one of them dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from stspec.runs import latest_checkpoint
from stspec.runs.log import read_log
from tests.train.killing import run_ranks, run_tiny
from tests.train.tiny import tiny_train

PLAIN: dict[str, Any] = {
    "epochs": 2, "spec": {"norm": False, "dropout": 0.5}, "mixup": 0.3, "ema": 0.8,
    "label_smoothing": 0.1, "clip_norm": 0.5,
}  # fmt: skip
"""No batch norms: what remains, dropout included, must agree to rounding."""


def torchrun(run: Path, settings: dict[str, Any], **environment: str) -> tuple[int, str]:
    """Train in two processes; return exit status and what they said."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
        "--standalone", "--local_addr", "127.0.0.1", "-m", "tests.train.tiny", str(run),
        json.dumps(settings),
    ]  # fmt: skip
    program = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment}, start_new_session=True,
    )  # fmt: skip
    try:
        said, _ = program.communicate(timeout=120)
    finally:
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
    return program.returncode, said


def tensors(run: Path) -> dict[str, torch.Tensor]:
    found = latest_checkpoint(run / "checkpoints", print, lambda checkpoint: None)
    assert found is not None
    return dict(found.tensors)


def losses(run: Path) -> list[float]:
    return [row["loss"] for row in read_log(run / "log.jsonl") if row["kind"] == "step"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("alone") / "run"
    assert run_tiny(run, changes=PLAIN) == 0
    return run


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("together") / "run"
    assert run_ranks(2, tiny_train, run, {**PLAIN, "accumulate": 2}) == [0, 0]
    return run


def test_two_processes_equal_one_to_rounding(alone: Path, together: Path) -> None:
    """Accumulation included: four parts of two clips against one batch of eight."""
    assert losses(together) == pytest.approx(losses(alone), rel=1e-5)
    theirs = tensors(together)
    for name, tensor in tensors(alone).items():
        torch.testing.assert_close(theirs[name], tensor, rtol=1e-4, atol=1e-6, msg=name)


def test_one_process_writes(together: Path) -> None:
    records = list(read_log(together / "log.jsonl"))
    assert [row["step"] for row in records if row["kind"] == "step"] == list(range(6))
    assert {row["samples"] for row in records if row["kind"] == "step"} == {8}
    assert json.loads((together / "environment.json").read_text())["world"] == 2


def test_a_process_that_dies_ends_all_and_one_can_go_on(alone: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = {"recipe": PLAIN, "save_steps": 2}
    status, said = torchrun(run, settings, TINY_DIES="1:4")
    assert status != 0
    assert "another process of this run has ended" in said
    assert "--resume" in said
    assert run_tiny(run, changes=PLAIN, save_steps=2) == 0
    assert losses(run) == pytest.approx(losses(alone), rel=1e-5)
