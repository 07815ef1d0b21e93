"""Correlation against loops over frames, positions and offsets."""

import pytest
import torch
from torch import Tensor

from templates.modules.correlation import Correlation
from tests.templates import checks


def naive(x: Tensor, weight: Tensor, dilation: int, groups: int) -> Tensor:
    n, channels, frames, height, width = x.shape
    kernel = weight.shape[-1]
    out = []
    for i in range(kernel):
        for j in range(kernel):
            down, right = dilation * (i - kernel // 2), dilation * (j - kernel // 2)
            for g in range(groups):
                own = range(g * channels // groups, (g + 1) * channels // groups)
                for t in range(frames):
                    for h in range(height):
                        for w in range(width):
                            total = x.new_zeros(n)
                            if 0 <= h + down < height and 0 <= w + right < width:
                                for c in own:
                                    before = x[:, c, max(t - 1, 0), h, w]
                                    there = x[:, c, t, h + down, w + right]
                                    total = total + weight[c, t, i, j] * before * there
                            out.append(total / len(own))
    stacked = torch.stack(out, 1)
    return stacked.view(n, kernel * kernel * groups, frames, height, width)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize(("kernel", "dilation", "groups"), [(1, 1, 1), (3, 1, 2), (3, 2, 1)])
def test_equals_the_definition(frames: int, kernel: int, dilation: int, groups: int) -> None:
    x = checks.frames_like(2, 4, frames, 3, 4)
    module = Correlation(4, frames, kernel, dilation, groups).double()
    checks.assert_same_function(module, lambda v, w: naive(v, w, dilation, groups), [x])


def test_runs_everywhere() -> None:
    x = checks.frames_like(2, 4, 3, 4, 5)
    module = Correlation(4, 3, 3, 1, 2).double()
    checks.assert_portable(module, [x], 1)
    checks.assert_low_precision(module, [x], atol=0.05)
