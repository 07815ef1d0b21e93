"""Tensors whose shapes differ from those of the model: what that means, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stspec.diagnostics import Diagnostic
from stspec.weights.arrays import size_text
from stspec.weights.rules import Importer

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Misfit:
    """A tensor with its shape in the checkpoint (`there`) and in the model (`here`)."""

    key: str
    there: tuple[int, ...]
    here: tuple[int, ...]
    classes: int | None = None
    """The axis that counts classes, where this alone differs."""


def diagnose(misfits: Sequence[Misfit], total: int, scheme: Importer) -> list[Diagnostic]:
    """Return one diagnosis for each kind of misfit; `total` counts the model's tensors.

    What `scheme` advises for such keys stands in the place of what is advised in general.
    """
    found = []
    rest = list(misfits)
    for belongs, tell in _KINDS:
        members = [misfit for misfit in rest if belongs(misfit)]
        rest = [misfit for misfit in rest if not belongs(misfit)]
        if members:
            told = tell(members, total)
            own = next(filter(None, (scheme.advised(misfit.key) for misfit in members)), None)
            found.append(told if own is None else replace(told, help=own))
    return found


def _classes(misfits: Sequence[Misfit], total: int) -> Diagnostic:
    first = misfits[0]
    axis = first.classes or 0
    there, here = first.there[axis], first.here[axis]
    message = f"the checkpoint has {there} classes, the model {here} (`{first.key}`)"
    help_text = (
        f"set `classes: {there}` to use its classifier; `stspec train --weights`, and "
        '`classes="replace"` of load_weights, start a new one'
    )
    return Diagnostic("class-count", message, help=help_text)


def _channels(misfits: Sequence[Misfit], total: int) -> Diagnostic:
    first = misfits[0]
    message = (
        f"`{first.key}` takes {first.there[1]} input channels in the checkpoint "
        f"and {first.here[1]} in the model"
    )
    help_text = (
        f"set `clip.channels: {first.there[1]}`, "
        "or give the checkpoint as image weights, whose stem is adapted"
    )
    return Diagnostic("weight-channels", message, help=help_text)


def _flat(misfits: Sequence[Misfit], total: int) -> Diagnostic:
    first = misfits[0]
    message = (
        f"{_count(misfits)} 2D in the checkpoint and 3D in the model: "
        f"`{first.key}` is {size_text(first.there)} there and {size_text(first.here)} here"
    )
    help_text = "give the checkpoint as image weights, which inflates them by the policy's rule"
    return Diagnostic("weight-rank", message, help=help_text)


def _frames(misfits: Sequence[Misfit], total: int) -> Diagnostic:
    first = misfits[0]
    message = (
        f"{_count(misfits)} of another temporal extent: `{first.key}` spans "
        f"{first.there[2]} frames in the checkpoint and {first.here[2]} in the model"
    )
    return Diagnostic("weight-frames", message, help="set the rule's kernel to the checkpoint's")


def _shapes(misfits: Sequence[Misfit], total: int) -> Diagnostic:
    told = [
        f"`{misfit.key}` is {size_text(misfit.there)} there and {size_text(misfit.here)} here"
        for misfit in misfits[:_MOST_NAMED]
    ]
    more = len(misfits) - len(told)
    listed = ", ".join(told) + (f" and {more} more" if more else "")
    message = f"{_count(misfits)} of another shape in the checkpoint: {listed}"
    several = len(misfits) * 4 > total
    help_text = "the checkpoint seems to be of another backbone or depth" if several else None
    return Diagnostic("weight-shape", message, help=help_text)


def _count(misfits: Sequence[Misfit]) -> str:
    return "one tensor is" if len(misfits) == 1 else f"{len(misfits)} tensors are"


def _only_axis(misfit: Misfit, axis: int) -> bool:
    """Whether two shapes of one rank differ in this axis and no other."""
    there, here = misfit.there, misfit.here
    if len(there) != len(here) or len(here) <= axis:
        return False
    return all((a == b) != (i == axis) for i, (a, b) in enumerate(zip(there, here, strict=True)))


def _is_stem(misfit: Misfit) -> bool:
    """Whether a convolution differs in its input channels alone, one of the two being RGB."""
    if len(misfit.here) < 4 or not _only_axis(misfit, 1):
        return False
    return 3 in (misfit.there[1], misfit.here[1])


def _is_flat(misfit: Misfit) -> bool:
    here = misfit.here
    return len(here) == 5 and misfit.there == (*here[:2], *here[3:])


_KINDS: tuple[
    tuple[Callable[[Misfit], bool], Callable[[Sequence[Misfit], int], Diagnostic]], ...
] = (
    (lambda misfit: misfit.classes is not None, _classes),
    (_is_stem, _channels),
    (_is_flat, _flat),
    (lambda misfit: len(misfit.here) == 5 and _only_axis(misfit, 2), _frames),
    (lambda misfit: True, _shapes),
)
