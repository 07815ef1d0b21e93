"""What a trained model makes of frames in another order: cheap evidence of what it uses.

Imports torch where it runs a model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stspec.evaluate.predictions import Predictions
from stspec.study.outcomes import join
from stspec.study.statistics import DRAWS, Interval, McNemar, holm, mcnemar, resample

ORDERS = ("reversed", "shuffled", "frozen")


@dataclass(frozen=True, slots=True)
class OrderEffect:
    """What becomes of a model's accuracy with frames in another order."""

    order: str
    top1: float
    difference: Interval
    """Of top-1, to that with frames as they are."""
    test: McNemar
    adjusted: float
    """The exact p-value, after Holm's correction over the orders."""
    changed: float
    """Share of videos that are taken for another class."""
    moved: float
    """The largest change of a probability; rounding alone where order is not used."""


@dataclass(frozen=True)
class OrderTest:
    """A model's accuracy with frames as they are, and what other orders change."""

    top1: float
    videos: int
    effects: tuple[OrderEffect, ...]

    @property
    def uses_order(self) -> bool:
        """Tell whether any score depends on the order of frames, beyond rounding."""
        tested = [each for each in self.effects if each.order in ("reversed", "shuffled")]
        return any(each.moved > ROUNDING for each in tested)


ROUNDING = 1e-3
"""Probabilities that differ by less are the same, in single precision."""


def compare_orders(
    given: Predictions, others: dict[str, Predictions], draws: int = DRAWS
) -> OrderTest:
    """Return what other orders of frames change.

    Args:
        given: predictions with frames as they are.
        others: of the same videos, by the order of frames.
        draws: resamples of the intervals.

    Raises:
        SpecError: if they are not of the same videos, or scipy is missing.
    """
    joined = join((name, name, each.answers) for name, each in (("given", given), *others.items()))
    drawn = resample(joined.right, draws=draws, key="frame order")
    effects = []
    for row, (name, each) in enumerate(others.items(), 1):
        test = mcnemar(joined.right[0], joined.right[row])
        at = {id: place for place, id in enumerate(each.ids)}
        same = [i for i, id in enumerate(given.ids) if id in at]
        mine = given.fused[same]
        theirs = each.fused[[at[given.ids[i]] for i in same]]
        changed = float((mine.argmax(axis=1) != theirs.argmax(axis=1)).mean())
        moved = float(np.abs(mine - theirs).max())
        top1 = float(joined.accuracy[row])
        difference = drawn.difference(0, row)
        effects.append(OrderEffect(name, top1, difference, test, test.exact, changed, moved))
    values = holm(each.test.exact for each in effects)
    adjusted = [replace(e, adjusted=p) for e, p in zip(effects, values, strict=True)]
    return OrderTest(float(joined.accuracy[0]), len(joined.ids), tuple(adjusted))


def frame_order_test(
    target: Path | str,
    data: Path | str | None = None,
    *,
    draws: int = DRAWS,
    say: Callable[[str], None] | None = None,
    **options: Any,
) -> OrderTest:
    """Measure a trained model with frames as they are, reversed, shuffled and frozen.

    Args:
        target: a run's folder; or a spec, with `weights`.
        data: videos with labels; a run's own where not given.
        draws: resamples of the intervals.
        say: is told what is done next.
        options: as `stspec.evaluate` takes them: weights, split, views, batch, workers, device...

    Raises:
        SpecError: as `stspec.evaluate`.
    """
    from stspec.api.videos import evaluate

    found: dict[str, Predictions] = {}
    for order in ("given", *ORDERS):
        if say is not None:
            say(f"frames {order}")
        kind: Any = order
        found[order] = evaluate(target, data, frames_order=kind, **options)
    return compare_orders(found.pop("given"), found, draws)
