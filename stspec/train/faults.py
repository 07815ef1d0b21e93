"""What ends a run, said in words: with the step, the last good checkpoint and what to do."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from stspec.data.loader import LOST_READER
from stspec.diagnostics import Diagnostic, SpecError, display_path
from stspec.evaluate.faults import recognised
from stspec.evaluate.predictions import NOT_FINITE


def diverged(what: str, step: int, lr: float, last: Path | None) -> SpecError:
    """Return the end of a run whose loss or weights are no longer numbers."""
    kept = f"the last good checkpoint is {display_path(last)}" if last else "none was saved"
    message = f"the {what} at step {step} is not a finite number (learning rate {lr:.3g}); {kept}"
    help = (
        "try a lower optimizer.lr, a longer schedule.warmup, clip_norm=20, or precision=float32; "
        "if labels or videos may be damaged, `stspec data check` looks at them"
    )
    return SpecError(Diagnostic(NOT_FINITE, message, help=help))


def explained(batch: int, accumulate: int, world: int) -> AbstractContextManager[None]:
    """Say what to change when memory runs out in training, or when a reader was lost."""
    return recognised(lambda: out_of_memory(batch, accumulate, world), lost_reader)


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


def lost_reader(message: str) -> SpecError:
    """Return the end of a run whose readers have ended."""
    help = (
        "where memory or shared memory is short, use fewer --workers (0 reads in this process); "
        "`stspec train --resume` goes on from the last checkpoint"
    )
    return SpecError(Diagnostic(LOST_READER, message, help=help))
