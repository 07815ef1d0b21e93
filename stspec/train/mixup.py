"""Mixup (Zhang et al., ICLR 2018) of neighbours in a batch, by keyed draws."""

from __future__ import annotations

import torch
from torch import Tensor

from stspec.rng import keyed


def mix(
    clips: Tensor, targets: Tensor, alpha: float, seed: int, step: int
) -> tuple[Tensor, Tensor]:
    """Return clips and targets, each blended with its neighbour's.

    Neighbours are clips 0 and 1, 2 and 3 and so on. A batch is in random order already, and
    pairs stay together however it is divided among processes or parts; so does the weight, which
    is one for the step.

    Args:
        clips: float (N, C, T, H, W), N even.
        targets: (N, classes), rows that sum to one, or multi-hot.
        alpha: of the Beta distribution that the weight is drawn from.
        seed: of the run.
        step: of the run.
    """
    weight = keyed(seed, "mixup", step).betavariate(alpha, alpha)
    partner = torch.arange(len(clips), device=clips.device) ^ 1
    return (
        torch.lerp(clips[partner], clips, weight),
        torch.lerp(targets[partner], targets, weight),
    )
