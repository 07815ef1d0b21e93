"""What ends a test that the machine is too small for, said in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from stspec.diagnostics import Diagnostic, SpecError

_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")

_CUT_SHORT = (ConnectionResetError, ConnectionRefusedError, EOFError)
"""What is raised where a process that reads ends while it hands over a batch."""


@contextmanager
def explained(batch: int) -> Iterator[None]:
    """Say what to change when memory runs out, or when a worker was killed.

    Args:
        batch: clips that are computed at once.

    Raises:
        SpecError: in place of what torch raises.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        no_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if no_memory or any(words in text for words in _NO_MEMORY):
            message = f"memory ran out: {batch} clips were computed at once"
            help = f"use --batch {max(1, batch // 2)}, --precision bfloat16 or a smaller --size"
            raise SpecError(Diagnostic("out-of-memory", message, help=help)) from error
        if text.startswith("dataloader worker (pid"):
            first = str(error).splitlines()[0]
            raise _lost_reader(f"a process that reads videos has ended: {first}") from error
        raise
    except _CUT_SHORT as error:
        raise _lost_reader("a process that reads videos ended while it sent a batch") from error


def _lost_reader(message: str) -> SpecError:
    help = "where memory is short, use fewer --workers (0 reads in this process)"
    return SpecError(Diagnostic("worker-died", message, help=help))
