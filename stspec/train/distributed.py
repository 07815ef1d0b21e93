"""Processes of one run, as torchrun starts them. One process is a world of its own."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from stspec.diagnostics import Diagnostic, SpecError

PATIENCE = timedelta(minutes=30)
"""How long processes wait for one another: disks may be slow. A dead one is told of at once."""


@dataclass(frozen=True, slots=True)
class World:
    """This process among those of the run."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """Tell whether this process writes and speaks."""
        return self.rank == 0

    def total(self, tensor: Tensor) -> Tensor:
        """Return the sum over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def mean(self, tensor: Tensor) -> Tensor:
        """Return the mean over all processes, in place."""
        return self.total(tensor) / self.size if self.size > 1 else tensor

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            dist.barrier()


def is_first() -> bool:
    """Tell whether this process is the first that torchrun has started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined(device: str | None = None) -> Iterator[World]:
    """Join the processes that torchrun has started, and leave them in the end.

    Raises:
        SpecError: if the device is not there, or another process has ended.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    found = _device(device, local)
    started = size > 1 and not dist.is_initialized()
    if started:
        dist.init_process_group("nccl" if found.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield World(rank, size, found)
    except RuntimeError as error:
        if size > 1 and _is_of_others(error):
            raise _lost() from error
        raise
    finally:
        if started:
            dist.destroy_process_group()


def _device(name: str | None, local: int) -> torch.device:
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        message = f"there is no device `{name}`"
        raise SpecError(Diagnostic("unknown-device", message, help="`cpu` or `cuda`")) from None
    if device.type == "cpu":
        return torch.device("cpu")
    if device.type == "cuda":
        device = torch.device("cuda", _cuda(local if device.index is None else device.index))
        torch.cuda.set_device(device)
        return device
    if device.type == "mps" and torch.backends.mps.is_available():
        return device
    message = f"nothing can be computed on the device `{name}` here"
    raise SpecError(Diagnostic("no-device", message, help="`cpu` or `cuda`"))


def _cuda(index: int) -> int:
    """Return the number of a GPU, if it is there."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        help = "leave out --device, or see `stspec doctor`"
        raise SpecError(Diagnostic("no-device", "torch finds no CUDA device", help=help))
    if not 0 <= index < count:
        message = f"there is no GPU {index}: torch finds {count}, numbered from 0"
        help = "leave out the number, or start as many processes as there are GPUs"
        raise SpecError(Diagnostic("no-device", message, help=help))
    return index


def _is_of_others(error: RuntimeError) -> bool:
    if isinstance(error, dist.DistError):
        return True
    text = str(error).lower()
    words = ("gloo", "nccl", "connection closed by peer", "connection reset by peer")
    return any(word in text for word in words)


def _lost() -> SpecError:
    # torchrun tells those that are left to end, which must not keep them from saying why.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    message = "another process of this run has ended, so this one ends too"
    help = "its own message says why; `stspec train --resume` goes on from the last checkpoint"
    return SpecError(Diagnostic("lost-process", message, help=help))
