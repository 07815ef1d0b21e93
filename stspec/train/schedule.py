"""The learning rate is a function of the step (and, on a plateau, of the losses so far)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from stspec.train.recipe import Schedule

LEAST_GAIN = 1e-4
"""Share by which a validation loss must be lower to count as progress (plateau)."""


def peak_rate(lr: float, batch: int, schedule: Schedule) -> float:
    """Return the highest rate: `lr`, or by the linear scaling rule of Goyal et al. (2017)."""
    return lr * batch / schedule.base_batch if schedule.base_batch else lr


def rate(
    schedule: Schedule,
    peak: float,
    step: int,
    steps_per_epoch: int,
    epochs: int,
    losses: Sequence[float] = (),
) -> float:
    """Return the learning rate of a step.

    Args:
        schedule: how it falls, and the warm-up.
        peak: the rate after warming up.
        step: steps of this stage taken before.
        steps_per_epoch: steps of an epoch.
        epochs: epochs of this stage.
        losses: validation losses of the epochs before (plateau).
    """
    warm = round(schedule.warmup * steps_per_epoch)
    if step < warm:
        return schedule.warmup_lr + (peak - schedule.warmup_lr) * step / warm
    if schedule.kind == "constant":
        return peak
    if schedule.kind == "cosine":
        # Half a period over the steps after warming up (Loshchilov & Hutter, ICLR 2017).
        total = max(1, epochs * steps_per_epoch - warm)
        return 0.5 * peak * (1 + math.cos(math.pi * (step - warm) / total))
    if schedule.kind == "multi_step":
        epoch = step // steps_per_epoch
        return peak * schedule.gamma ** sum(epoch >= stone for stone in schedule.milestones)
    return peak * schedule.gamma ** drops(losses, schedule)


def drops(losses: Sequence[float], schedule: Schedule) -> int:
    """Return how often the rate has dropped, each time after `patience` epochs of no progress."""
    best, waited, dropped = math.inf, 0, 0
    for loss in losses:
        if loss < best * (1 - LEAST_GAIN):
            best, waited = loss, 0
            continue
        waited += 1
        if waited > schedule.patience:
            dropped, waited = dropped + 1, 0
    return min(dropped, schedule.drops) if schedule.drops is not None else dropped
