"""Padding by the input's size against TensorFlow's rule, written as an index of every window."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from templates.modules.same import SameConv2d, SameConv3d, SameMaxPool2d, SameMaxPool3d
from tests.templates import checks

SIZES = [(5, 6, 9), (4, 7, 8), (1, 5, 3)]
WINDOWS = [((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2)), ((4, 1, 5), (1, 3, 2))]


def naive(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], fill: float) -> Tensor:
    """Return every window of x: (N, C, *windows, *kernel); what lies outside is `fill`."""
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True)):
        dim, size = axis + 2, x.shape[axis + 2]
        count = -(-size // s)
        front = max((count - 1) * s + k - size, 0) // 2
        taps = []
        for i in range(k):
            places = [j * s - front + i for j in range(count)]
            inside = torch.tensor([0 <= place < size for place in places])
            taken = x.index_select(dim, torch.tensor([min(max(p, 0), size - 1) for p in places]))
            mask = inside.view(*(count if d == dim else 1 for d in range(x.dim())))
            taps.append(torch.where(mask, taken, fill))
        x = torch.stack(taps, -1)
    return x


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("window", WINDOWS)
def test_clips(size: tuple[int, ...], window: tuple[tuple[int, int, int], ...]) -> None:
    kernel, stride = window
    x = torch.randn(2, 4, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pool = SameMaxPool3d(kernel, stride)
    checks.assert_same_function(
        pool, lambda x: naive(x, kernel, stride, -torch.inf).amax((-3, -2, -1)), [x]
    )
    conv = SameConv3d(4, 6, kernel, stride).double()

    def convolved(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        windows = naive(x, kernel, stride, 0.0)
        sums = torch.einsum("ncthwijk,ocijk->nothw", windows, weight)
        return sums + bias.view(1, -1, 1, 1, 1)

    checks.assert_same_function(conv, convolved, [x])


@pytest.mark.parametrize("size", [(6, 9), (7, 8)])
@pytest.mark.parametrize("window", [((3, 3), (2, 2)), ((4, 2), (3, 1)), ((1, 1), (2, 3))])
def test_frames(size: tuple[int, int], window: tuple[tuple[int, int], ...]) -> None:
    kernel, stride = window
    x = checks.frames_like(6, 4, *size)
    pool = SameMaxPool2d(kernel, stride)
    checks.assert_same_function(
        pool, lambda x: naive(x, kernel, stride, -torch.inf).amax((-2, -1)), [x]
    )
    conv = SameConv2d(4, 6, kernel, stride, bias=False).double()
    checks.assert_same_function(
        conv,
        lambda x, weight: torch.einsum("nchwij,ocij->nohw", naive(x, kernel, stride, 0.0), weight),
        [x],
    )


def test_symmetric_where_it_can_be() -> None:
    x = torch.randn(1, 2, 3, 7, 7)
    conv = SameConv3d(2, 3, (3, 3, 3), (1, 2, 2))
    expected = F.conv3d(x, conv.weight, conv.bias, (1, 2, 2), 1)
    torch.testing.assert_close(conv(x), expected)


def test_runs_everywhere() -> None:
    x = checks.frames_like(6, 16, 5, 6)
    conv = SameConv2d(16, 8, (3, 3), (2, 2)).double()
    for module in (SameMaxPool2d((3, 3), (2, 2)), conv):
        checks.assert_any_layout(module, [x])
        checks.assert_portable(module, [x], 3)
    checks.assert_low_precision(SameMaxPool2d((3, 3), (2, 2)), [x], atol=0.02)
