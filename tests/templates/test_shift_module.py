"""Temporal shift against loops over frames and channels."""

import pytest
import torch
from torch import Tensor

from templates.modules.shift import TemporalShift
from tests.templates import checks


def naive(x: Tensor, frames: int, fold: int) -> Tensor:
    out = torch.zeros_like(x)
    for n in range(len(x)):
        t = n % frames
        for c in range(x.shape[1]):
            offset = 1 if c < fold else -1 if c < 2 * fold else 0
            if 0 <= t + offset < frames:
                out[n, c] = x[n + offset, c]
    return out


@pytest.mark.parametrize("frames", [1, 2, 5, 8])
@pytest.mark.parametrize(("channels", "fold_div"), [(16, 8), (19, 8), (9, 4), (5, 8)])
def test_equals_the_definition(frames: int, channels: int, fold_div: int) -> None:
    x = checks.frames_like(2 * frames, channels, 3, 4)
    module = TemporalShift(frames, fold_div)
    checks.assert_same_function(module, lambda x: naive(x, frames, channels // fold_div), [x])


def test_runs_everywhere() -> None:
    x = checks.frames_like(6, 16, 4, 4)
    checks.assert_any_layout(TemporalShift(3), [x])
    checks.assert_portable(TemporalShift(3), [x], 3)
    checks.assert_low_precision(TemporalShift(3), [x], atol=0.02)
