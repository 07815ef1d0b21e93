"""Convolutions of means and weights by motion against loops over frames."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from templates.modules.excitation import BoundedMotionEnhancement, MeanConv, MotionEnhancement
from tests.templates import checks

CHANNELS = 9


def seeded(module: nn.Module) -> nn.Module:
    torch.manual_seed(2)
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module.double()


def naive_mean_conv(x: Tensor, weight: Tensor, frames: int) -> Tensor:
    maps = F.pad(x.unflatten(0, (-1, frames)).sum(2) / x.shape[1], (1,) * 6)
    out = []
    for clip in maps:
        for t in range(frames):
            rows = []
            for i in range(x.shape[2]):
                window = clip[t : t + 3, i : i + 3]
                rows += [(window[:, :, j : j + 3] * weight[0, 0]).sum() for j in range(x.shape[3])]
            out.append(torch.stack(rows).view(1, *x.shape[2:]))
    return torch.stack(out)


def naive_enhancement(x: Tensor, frames: int, bounded: bool, *weights: Tensor) -> Tensor:
    here_w, here_b, next_w, next_b, out_w, out_b = weights
    out = []
    for clip in x.unflatten(0, (-1, frames)):
        means = clip.mean((2, 3))
        for t in range(frames):
            if t == frames - 1:
                out.append(clip[t])
                continue
            change = next_w @ means[t + 1] + next_b - here_w @ means[t] - here_b
            gate = out_w @ (change.sigmoid() if bounded else change) + out_b
            out.append(clip[t] * (gate if bounded else gate.sigmoid()).view(-1, 1, 1))
    return torch.stack(out)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_mean_convolution(frames: int) -> None:
    x = checks.frames_like(2 * frames, CHANNELS, 3, 4)
    module = seeded(MeanConv(frames))
    checks.assert_same_function(module, lambda x, w: naive_mean_conv(x, w, frames), [x])


@pytest.mark.parametrize("frames", [2, 5])
@pytest.mark.parametrize("reduction", [1, 2, 8])
@pytest.mark.parametrize("kind", [MotionEnhancement, BoundedMotionEnhancement])
def test_motion_enhancement(
    kind: type[MotionEnhancement | BoundedMotionEnhancement], reduction: int, frames: int
) -> None:
    x = checks.frames_like(2 * frames, CHANNELS, 3, 4)
    module, bounded = seeded(kind(CHANNELS, frames, reduction)), kind is BoundedMotionEnhancement
    checks.assert_same_function(
        module, lambda x, *w: naive_enhancement(x, frames, bounded, *w), [x]
    )


@pytest.mark.parametrize("kind", [MotionEnhancement, BoundedMotionEnhancement])
def test_a_single_frame_stays_as_it_is(
    kind: type[MotionEnhancement | BoundedMotionEnhancement],
) -> None:
    x = checks.frames_like(2, CHANNELS, 3, 4)
    assert torch.equal(kind(CHANNELS, 1).double()(x), x)


@pytest.mark.parametrize("kind", [MotionEnhancement, BoundedMotionEnhancement])
def test_runs_everywhere(kind: type[MotionEnhancement | BoundedMotionEnhancement]) -> None:
    module, x = seeded(kind(CHANNELS, 3)), checks.frames_like(6, CHANNELS, 4, 4)
    checks.assert_any_layout(module, [x])
    checks.assert_portable(module, [x], 3)
    checks.assert_low_precision(module, [x], atol=0.1)


def test_mean_convolution_runs_everywhere() -> None:
    module, x = seeded(MeanConv(3)), checks.frames_like(6, CHANNELS, 4, 4)
    checks.assert_any_layout(module, [x])
    checks.assert_portable(module, [x], 3)
    checks.assert_low_precision(module, [x], atol=0.1)
