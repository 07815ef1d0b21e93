"""Processes that kill themselves at a chosen moment, as a machine that fails would."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # optimisers import it late, which takes longer than all of a small run

from stspec.runs.checkpoint import latest_checkpoint
from stspec.runs.log import Log
from stspec.train.step import Stepper
from tests.forking import start
from tests.train.tiny import tiny_train

PLACES: dict[str, tuple[Any, str]] = {
    "step": (Stepper, "step"),
    "update": (Stepper, "_update"),
    "log": (Log, "write"),
    "sync": (os, "fsync"),
    "rename": (Path, "replace"),
    "remove": (Path, "unlink"),
}
"""Functions at whose n-th call a process may die: before it, or right behind it."""


def run_tiny(
    run: Path,
    die: tuple[str, int, bool] | None = None,
    signal_number: signal.Signals = signal.SIGKILL,
    **options: Any,
) -> int:
    """Train in a process of its own; return its exit status, -9 where it was killed.

    Args:
        run: its folder.
        die: the place of PLACES, the number of the call, and whether after it or before.
        signal_number: what the process sends itself then.
        options: of `tiny_train`.
    """
    process = start(_main, run, die, signal_number, options)
    process.join(120)
    assert process.exitcode is not None, "the process hangs"
    return process.exitcode


def _main(
    run: Path, die: tuple[str, int, bool] | None, number: signal.Signals, options: dict[str, Any]
) -> None:
    torch.set_num_threads(1)
    if die is not None:
        place, count, after = die
        arm(*PLACES[place], count, after, number)
    tiny_train(run, **options)


def run_ranks(size: int, target: Callable[..., Any], *given: Any) -> list[int]:
    """Call a function in processes that find around them what torchrun sets; return their ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    about = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        start(_as_rank, {**about, "RANK": str(r), "LOCAL_RANK": str(r)}, target, given)
        for r in range(size)
    ]
    for process in processes:
        process.join(120)
    return [-1 if process.exitcode is None else process.exitcode for process in processes]


def _as_rank(environment: dict[str, str], target: Callable[..., Any], given: Any) -> None:
    torch.set_num_threads(1)
    os.environ.update(environment)
    target(*given)


def arm(owner: Any, name: str, count: int, after: bool, number: signal.Signals) -> None:
    """Have this process send itself a signal at the n-th call of a function."""
    own: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def deadly(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and not after:
            os.kill(os.getpid(), number)
        result = own(*arguments, **named)
        if calls == count:
            os.kill(os.getpid(), number)
        return result

    setattr(owner, name, deadly)


def result(run: Path) -> dict[str, Any]:
    """Everything that must be equal, bit for bit: weights, log, metrics, momentum."""
    checkpoint = latest_checkpoint(run / "checkpoints", print, lambda found: None)
    assert checkpoint is not None
    tensors = {
        name: (tuple(tensor.shape), tensor.stride(), tensor.contiguous().numpy().tobytes())
        for name, tensor in checkpoint.tensors.items()
    }
    assert any(name.startswith("optimizer.momentum_buffer.") for name in tensors)
    values = {key: value for key, value in checkpoint.values.items() if key != "environment"}
    return {
        "weights": (run / "weights.safetensors").read_bytes(),
        "log": (run / "log.jsonl").read_text(),
        "metrics": (run / "metrics.json").read_text(),
        "tensors": tensors,
        "values": values,
    }
