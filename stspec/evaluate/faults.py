"""What ends a test that the machine is too small for, said in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from stspec.data.loader import LOST_READER
from stspec.diagnostics import Diagnostic, SpecError

_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")

_READERS = ("dataloader worker", "pin memory thread")

_CUT_SHORT = (ConnectionResetError, ConnectionRefusedError, EOFError)
"""What is raised where a process that reads ends while it hands over a batch."""


@contextmanager
def recognised(
    no_memory: Callable[[], SpecError], lost: Callable[[str], SpecError]
) -> Iterator[None]:
    """Tell an end for want of memory, and one for want of a reader, from all others.

    Args:
        no_memory: makes the diagnosis of the first.
        lost: makes that of the second, from what is known of it.

    Raises:
        SpecError: in place of what torch raises.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        out = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if out or any(words in text for words in _NO_MEMORY):
            raise no_memory() from error
        if any(words in text for words in _READERS):
            first = str(error).strip().splitlines()[0]
            raise lost(f"a process that reads videos was lost: {first}") from error
        raise
    except _CUT_SHORT as error:
        raise lost("a process that reads videos ended while it sent a batch") from error


def explained(batch: int) -> AbstractContextManager[None]:
    """Say what to change when memory runs out in a test, or when a reader was lost.

    Args:
        batch: clips that are computed at once.
    """

    def no_memory() -> SpecError:
        message = f"memory ran out: {batch} clips were computed at once"
        help = f"use --batch {max(1, batch // 2)}, --precision bfloat16 or a smaller --size"
        return SpecError(Diagnostic("out-of-memory", message, help=help))

    return recognised(no_memory, _lost_reader)


def _lost_reader(message: str) -> SpecError:
    help = "where memory is short, use fewer --workers (0 reads in this process)"
    return SpecError(Diagnostic(LOST_READER, message, help=help))
