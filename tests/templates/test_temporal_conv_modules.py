"""Convolutions over frames against loops over frames and taps, and how they start."""

import pytest
import torch
from torch import Tensor, nn

from templates.modules.tam import DenseTemporalConv, TemporalConv
from tests.templates import checks

CHANNELS = 6


def naive(x: Tensor, weight: Tensor, frames: int) -> Tensor:
    out = torch.zeros_like(x)
    taps = weight.shape[2]
    for n in range(len(x)):
        for i in range(taps):
            t = n % frames + i - taps // 2
            if 0 <= t < frames:
                frame = x[n - n % frames + t]
                matrix = weight[:, :, i, 0, 0]
                if weight.shape[1] == 1:
                    matrix = torch.diag(matrix[:, 0])
                out[n] = out[n] + torch.einsum("oc,chw->ohw", matrix, frame)
    return out


def seeded(module: nn.Module) -> nn.Module:
    torch.manual_seed(2)
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module.double()


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("kind", [TemporalConv, DenseTemporalConv])
def test_equals_the_definition(
    kind: type[TemporalConv | DenseTemporalConv], kernel: int, frames: int
) -> None:
    module = seeded(kind(CHANNELS, frames, kernel))
    x = checks.frames_like(2 * frames, CHANNELS, 3, 4)
    checks.assert_same_function(module, lambda x, w: naive(x, w, frames), [x])


@pytest.mark.parametrize("kind", [TemporalConv, DenseTemporalConv])
def test_runs_everywhere(kind: type[TemporalConv | DenseTemporalConv]) -> None:
    module, x = seeded(kind(CHANNELS, 3)), checks.frames_like(6, CHANNELS, 4, 4)
    checks.assert_any_layout(module, [x])
    checks.assert_portable(module, [x], 3)
    checks.assert_low_precision(module, [x], atol=0.1)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_starts_as_the_identity(kernel: int) -> None:
    x = checks.frames_like(8, CHANNELS, 3, 3)
    assert torch.equal(TemporalConv(CHANNELS, 4, kernel).double()(x), x)


@pytest.mark.parametrize(("channels", "fold_div"), [(16, 8), (19, 8), (9, 4), (5, 2), (5, 8)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_starts_as_a_shift(channels: int, fold_div: int, kernel: int) -> None:
    x = checks.frames_like(5, channels, 3, 3)
    fold = channels // fold_div
    out = TemporalConv(channels, 5, kernel, fold_div=fold_div).double()(x)
    assert torch.equal(out[:-1, :fold], x[1:, :fold])
    assert torch.equal(out[1:, fold : 2 * fold], x[:-1, fold : 2 * fold])
    assert not out[-1, :fold].any() and not out[0, fold : 2 * fold].any()
    assert torch.equal(out[:, 2 * fold :], x[:, 2 * fold :])


def test_a_dense_one_starts_with_the_deviation_of_convolutions() -> None:
    torch.manual_seed(0)
    weight = DenseTemporalConv(128, 4).weight
    assert weight.std().item() == pytest.approx((2 / (3 * 128)) ** 0.5, rel=0.05)
