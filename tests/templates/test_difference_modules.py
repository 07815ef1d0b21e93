"""Differences of neighbouring frames against loops over frames."""

import pytest
import torch
from torch import Tensor, nn

from templates.modules.difference import BackwardDifference, BothDifferences, ForwardDifference
from tests.templates import checks


def naive(moved: Tensor, x: Tensor, frames: int, *steps: int) -> Tensor:
    out = []
    for first in range(0, len(x), frames):
        for step in steps:
            for t in range(frames):
                there = t + step
                inside = 0 <= there < frames
                here = first + t
                nothing = 0 * (x[here] - moved[here])
                out.append(moved[first + there] - x[here] if inside else nothing)
    return torch.stack(out)


CASES = [(ForwardDifference, (1,)), (BackwardDifference, (-1,)), (BothDifferences, (1, -1))]


@pytest.mark.parametrize(("cls", "steps"), CASES)
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_equals_the_definition(cls: type[nn.Module], steps: tuple[int, ...], frames: int) -> None:
    inputs = [checks.frames_like(2 * frames, 3, 4, 5, seed=seed) for seed in (0, 1)]
    module = cls(frames)
    checks.assert_same_function(module, lambda m, x: naive(m, x, frames, *steps), inputs)


@pytest.mark.parametrize(("cls", "steps"), CASES)
def test_runs_everywhere(cls: type[nn.Module], steps: tuple[int, ...]) -> None:
    inputs = [checks.frames_like(6, 4, 4, 4, seed=seed) for seed in (0, 1)]
    module = cls(3)
    checks.assert_any_layout(module, inputs)
    checks.assert_portable(module, inputs, 3)
    checks.assert_low_precision(module, inputs, atol=0.05)
