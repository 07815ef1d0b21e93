"""The depth-wise convolution of clips against PyTorch's own, and its derivatives numerically."""

from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from templates.modules.convolution import DepthwiseConv3d, DepthwiseConvolution
from tests.templates import checks

CHANNELS = 4
Sizes = tuple[int, int, int]


class Case(NamedTuple):
    """A convolution and the clip that it meets."""

    size: Sizes
    kernel: Sizes
    stride: Sizes = (1, 1, 1)
    padding: Sizes = (1, 1, 1)


CASES = [
    Case((4, 5, 6), (3, 3, 3)),
    Case((5, 6, 5), (3, 3, 3), (2, 2, 2)),
    Case((4, 6, 5), (3, 3, 3), (2, 2, 2)),
    Case((1, 5, 5), (3, 3, 3), (1, 2, 2)),  # one frame: two taps meet nothing
    Case((2, 3, 4), (5, 1, 1), padding=(2, 0, 0)),
    Case((4, 5, 6), (3, 1, 1), (1, 2, 2), (1, 0, 0)),
    Case((3, 6, 7), (1, 5, 3), (1, 2, 2), (0, 2, 1)),
    Case((8, 5, 5), (2, 4, 3), (3, 2, 1), (0, 3, 2)),  # frames behind the last window
    Case((3, 4, 4), (5, 2, 2), (4, 1, 1), (4, 0, 0)),  # windows wholly in the padding
]
STRIDED = CASES[1]


def module(case: Case, bias: bool = True) -> DepthwiseConv3d:
    torch.manual_seed(0)
    return DepthwiseConv3d(
        CHANNELS, CHANNELS, case.kernel, case.stride, case.padding, groups=CHANNELS, bias=bias
    ).double()


def naive(x: Tensor, weight: Tensor, bias: Tensor, case: Case) -> Tensor:
    """One tap at a time: every position that it meets, times its weight."""
    around = [pad for pad in reversed(case.padding) for _ in range(2)]
    windows = F.pad(x, around)
    for axis, (kernel, stride) in enumerate(zip(case.kernel, case.stride, strict=True), start=2):
        windows = windows.unfold(axis, kernel, stride)
    products = torch.einsum("ncthwijk,cijk->ncthw", windows, weight[:, 0])
    return products + bias.view(1, -1, 1, 1, 1)


@pytest.mark.parametrize("case", CASES)
def test_equals_the_definition(case: Case) -> None:
    x = checks.frames_like(2, CHANNELS, *case.size)
    checks.assert_same_function(module(case), lambda x, w, b: naive(x, w, b, case), [x])


@pytest.mark.parametrize("case", CASES)
def test_first_and_second_derivatives(case: Case) -> None:
    conv = module(case)
    x = checks.frames_like(1, CHANNELS, *case.size).requires_grad_()

    def run(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        out: Tensor = DepthwiseConvolution.apply(  # type: ignore[no-untyped-call]
            x, weight, bias, case.stride, case.padding
        )
        return out

    assert conv.bias is not None
    assert torch.autograd.gradcheck(run, (x, conv.weight, conv.bias), fast_mode=True)
    assert torch.autograd.gradgradcheck(run, (x, conv.weight, conv.bias), fast_mode=True)


@pytest.mark.parametrize("case", [CASES[0], STRIDED])
def test_runs_everywhere(case: Case) -> None:
    x = checks.frames_like(2, CHANNELS, *case.size)
    checks.assert_portable(module(case), [x], 1)
    checks.assert_low_precision(module(case), [x], atol=0.02)
    checks.assert_low_precision(module(case, bias=False), [x], atol=0.02)


def test_gradients_are_made_for_what_asks() -> None:
    conv, x = module(STRIDED), checks.frames_like(2, CHANNELS, *STRIDED.size)
    conv(x).sum().backward()
    assert x.grad is None and conv.weight.grad is not None
    conv.requires_grad_(False).zero_grad()
    conv(x.requires_grad_()).sum().backward()
    assert x.grad is not None and conv.weight.grad is None


def test_gradients_of_single_precision_clips_under_autocast() -> None:
    conv, x = module(STRIDED).float(), checks.frames_like(1, CHANNELS, *STRIDED.size).float()
    with torch.autocast("cpu", torch.bfloat16):
        out = conv(x.requires_grad_())
    out.float().square().sum().backward()
    single = conv(x)
    wanted = torch.autograd.grad(single.square().sum(), [x, conv.weight])
    for got, expected in zip((x.grad, conv.weight.grad), wanted, strict=True):
        assert got is not None and got.dtype == torch.float32
        scale = expected.abs().max().item()
        torch.testing.assert_close(got, expected, rtol=0, atol=0.02 * scale)


def test_gradients_of_clips_in_channels_last_memory_are_too() -> None:
    for case in (CASES[0], STRIDED):
        conv = module(case).float()
        x = checks.frames_like(1, CHANNELS, *case.size, dtype=torch.float32).requires_grad_()
        out = conv(x)
        grad = checks.frames_like(*out.shape, seed=1, dtype=torch.float32)
        (grad_x,) = torch.autograd.grad(out, x, grad)
        assert grad_x.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_one_thread_gives_the_same_in_channels_last_memory(case: Case, batch: int) -> None:
    """Of a kernel of 1 x 1 in space, PyTorch's own choice gives channels first, slowly."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    results = []
    for dtype in (torch.float32, torch.float64):
        conv = module(case).to(dtype)
        x = checks.frames_like(batch, CHANNELS, *case.size).to(dtype).requires_grad_()
        out = conv(x)
        grads = torch.autograd.grad(out.square().sum(), [x, *conv.parameters()])
        results.append([out, *grads])
    torch.set_num_threads(before)
    for single, double in zip(*results, strict=True):
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-4)
    out, grad_x, *_ = results[0]
    assert out.is_contiguous(memory_format=torch.channels_last_3d)
    assert grad_x.is_contiguous(memory_format=torch.channels_last_3d)


def test_its_macs_are_counted() -> None:
    x = checks.frames_like(2, CHANNELS, *STRIDED.size)
    conv = module(STRIDED)
    with FlopCounterMode(display=False) as counter:
        out = conv(x)
    assert counter.get_total_flops() == 2 * out.numel() * 27


def test_a_symbolic_trace_is_of_torchs_own() -> None:
    x = checks.frames_like(2, CHANNELS, *STRIDED.size)
    conv = module(STRIDED)
    traced = torch.fx.symbolic_trace(conv)
    assert F.conv3d in {node.target for node in traced.graph.nodes}
    torch.testing.assert_close(traced(x), conv(x))
