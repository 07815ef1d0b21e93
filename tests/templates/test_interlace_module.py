"""Temporal interlacing against frames that are looked up one at a time."""

import math

import pytest
import torch
from torch import Tensor

from templates.modules.interlace import TemporalInterlacing
from tests.templates import checks


def made(channels: int, frames: int, *options: int) -> TemporalInterlacing:
    torch.manual_seed(3)
    module = TemporalInterlacing(channels, frames, *options).double()
    for parameter in module.parameters():
        torch.nn.init.uniform_(parameter, -0.8, 0.8)  # offsets of all clips and groups differ
    return module


def conv(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(moved, T) -> (out, T), three frames at a time."""
    frames = rows.shape[1]
    columns = []
    for t in range(frames):
        total = bias
        for i, source in enumerate((t - 1, t, t + 1)):
            if 0 <= source < frames:
                total = total + weight[:, :, i] @ rows[:, source]
        columns.append(total)
    return torch.stack(columns, 1)


def naive(x: Tensor, frames: int, moved: int, reach: int, groups: int, *weights: Tensor) -> Tensor:
    """Frames between which an offset falls are found by its floor, as the paper's kernel does."""
    w_conv, b_conv, w_fc1, b_fc1, w_fc2, b_fc2, w_scale, b_scale = weights
    out = []
    for clip in x.unflatten(0, (-1, frames)):
        rows = clip[:, :moved].mean((2, 3)).T
        hidden = (w_fc1 @ conv(rows, w_conv, b_conv)[0] + b_fc1).relu()
        offset = 2 * reach * ((w_fc2 @ hidden + b_fc2).sigmoid() - 0.5)
        offset = torch.cat((offset, -offset))
        scale = 2 * conv(rows, w_scale, b_scale).sigmoid()
        scale = torch.cat((scale, scale))
        result = []
        for t in range(frames):
            frame = []
            for c in range(moved):
                g = c // (moved // groups)
                low = math.floor(-offset[g].item())
                part = -offset[g] - low
                total = torch.zeros_like(clip[0, 0])
                for source, share in ((t + low, 1 - part), (t + low + 1, part)):
                    if 0 <= source < frames:
                        total = total + share * clip[source, c]
                frame.append(total * scale[g, t])
            result.append(torch.cat((torch.stack(frame), clip[t, moved:])))
        out.extend(result)
    return torch.stack(out)


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize(
    ("channels", "fold_div", "offsets", "reach"),
    [(19, 4, 2, 2), (9, 2, 1, 1), (12, 1, 3, 2), (17, 2, 4, 3)],
)
def test_equals_the_definition(
    channels: int, fold_div: int, offsets: int, reach: int, frames: int
) -> None:
    module, groups = made(channels, frames, fold_div, offsets, reach), 2 * offsets
    x = checks.frames_like(2 * frames, channels, 3, 4)
    moved = channels // fold_div
    checks.assert_same_function(
        module, lambda x, *w: naive(x, frames, moved, reach, groups, *w), [x]
    )


def test_runs_everywhere() -> None:
    module, x = made(19, 3), checks.frames_like(6, 19, 4, 4)
    checks.assert_any_layout(module, [x])
    checks.assert_portable(module, [x], 3)
    checks.assert_low_precision(module, [x], atol=0.1)


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_starts_with_half_a_frame_and_no_scale(reach: int) -> None:
    """Without input, offsets are half a frame: what arrives is the mean of two frames."""
    module = TemporalInterlacing(8, 6, fold_div=1, offsets=2, reach=reach).double()
    module.offset_fc2.weight.data.zero_()
    module.scale_conv.weight.data.zero_()
    x = checks.frames_like(6, 8, 2, 2)
    out = module(x)
    torch.testing.assert_close(out[1:, :4], (x[1:, :4] + x[:-1, :4]) / 2, rtol=0, atol=1e-6)
    torch.testing.assert_close(out[:-1, 4:], (x[1:, 4:] + x[:-1, 4:]) / 2, rtol=0, atol=1e-6)
