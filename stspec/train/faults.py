"""What ends a run, said in words: with the step, the last good checkpoint and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from stspec.diagnostics import Diagnostic, SpecError, display_path

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")
LOST_READERS = ("lost-worker", "worker-died")
"""Codes of diagnoses that tell of readers that have ended."""
_CUT_SHORT = (ConnectionResetError, ConnectionRefusedError, EOFError)
"""What is raised where a process that reads ends while it hands over a batch."""
_WORKER = ("dataloader worker", "pin memory thread")


def diverged(what: str, step: int, lr: float, last: Path | None) -> SpecError:
    """Return the end of a run whose loss or weights are no longer numbers."""
    kept = f"the last good checkpoint is {display_path(last)}" if last else "none was saved"
    message = f"the {what} at step {step} is not a finite number (learning rate {lr:.3g}); {kept}"
    help = (
        "try a lower optimizer.lr, a longer schedule.warmup, clip_norm=20, or precision=float32; "
        "if labels or videos may be damaged, `stspec data check` looks at them"
    )
    return SpecError(Diagnostic("not-finite", message, help=help))


@contextmanager
def explained(batch: int, accumulate: int, world: int) -> Iterator[None]:
    """Say what to change when memory runs out, or when a worker was killed.

    Raises:
        SpecError: in place of what torch raises.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
            words in text for words in _OUT_OF_MEMORY
        ):
            raise out_of_memory(batch, accumulate, world) from error
        if any(words in text for words in _WORKER):
            raise _worker_lost(error) from error
        raise
    except _CUT_SHORT as error:
        raise lost_reader("a process that reads videos ended while it sent a batch") from error


def out_of_memory(batch: int, accumulate: int, world: int) -> SpecError:
    """Return what to change when memory has run out."""
    size = max(1, batch // (accumulate * world))
    message = f"memory ran out: {size} clips were computed at once"
    more = f"--set accumulate={accumulate * 2} computes {max(1, size // 2)} at once with the same "
    help = (
        f"{more}result; checkpoint_stages=[1,2] keeps fewer activations; precision=bfloat16 "
        "halves them; batch, clip.frames and clip.size make them fewer. A changed recipe is a "
        "run of its own: use another --run"
    )
    return SpecError(Diagnostic("out-of-memory", message, help=help))


def _worker_lost(error: BaseException) -> SpecError:
    first = str(error).strip().splitlines()[0]
    return lost_reader(f"a process that reads videos was lost: {first}")


def lost_reader(message: str) -> SpecError:
    """Return the end of a run whose readers have ended."""
    help = (
        "where memory or shared memory is short, use fewer --workers (0 reads in this process); "
        "`stspec train --resume` goes on from the last checkpoint"
    )
    return SpecError(Diagnostic("lost-worker", message, help=help))
