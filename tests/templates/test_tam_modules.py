"""Temporal aggregation against loops over frames and taps."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from templates.canonical import tam as canonical
from templates.modules import tam
from tests.templates import checks

CHANNELS = 6
ODD = [tam.TemporalAggregation, tam.DenseTemporalAggregation]
EVEN = [tam.EvenTemporalAggregation, tam.EvenDenseTemporalAggregation]
MAXIMA = [tam.MaxTemporalAggregation, tam.DenseMaxTemporalAggregation]
Kind = tuple[Callable[..., nn.Module], int]
KINDS: list[Kind] = [
    *[(kind, kernel) for kind in ODD + MAXIMA for kernel in (1, 3, 5)],
    *[(kind, kernel) for kind in EVEN + MAXIMA for kernel in (2, 4)],
]
CANONICAL: list[Kind] = [
    (canonical.EvenTemporalAggregation, 4),
    *[(canonical.MaxTemporalAggregation, kernel) for kernel in (2, 3)],
]


def naive(x: Tensor, weight: Tensor, frames: int, reduce: Callable[..., Tensor]) -> Tensor:
    """One output frame and one tap at a time."""
    clips = x.unflatten(0, (-1, frames))
    taps = weight.shape[2]
    out = []
    for clip in clips:
        for t in range(frames):
            terms = []
            for i in range(taps):
                source = t + i - taps // 2
                inside = 0 <= source < frames
                frame = clip[source] if inside else torch.zeros_like(clip[0])
                matrix = weight[:, :, i, 0, 0]
                if weight.shape[1] == 1:
                    matrix = torch.diag(matrix[:, 0])
                terms.append(torch.einsum("oc,chw->ohw", matrix, frame))
            out.append(reduce(torch.stack(terms)))
    return torch.stack(out).relu()


def total(terms: Tensor) -> Tensor:
    return terms.sum(0)


def greatest(terms: Tensor) -> Tensor:
    return terms.max(0).values


def double(kind: Callable[..., nn.Module], frames: int, kernel: int) -> nn.Module:
    torch.manual_seed(2)
    return kind(CHANNELS, frames, kernel).double()


@pytest.mark.parametrize("frames", [1, 2, 5, 8])
@pytest.mark.parametrize(("kind", "kernel"), KINDS + CANONICAL)
def test_equals_the_definition(kind: Callable[..., nn.Module], kernel: int, frames: int) -> None:
    module = double(kind, frames, kernel)
    reduce = greatest if "Max" in type(module).__name__ else total
    x = checks.frames_like(2 * frames, CHANNELS, 3, 4)
    checks.assert_same_function(module, lambda x, w: naive(x, w, frames, reduce), [x])


@pytest.mark.parametrize(("kind", "kernel"), KINDS)
def test_runs_everywhere(kind: Callable[..., nn.Module], kernel: int) -> None:
    module = double(kind, 3, kernel)
    x = checks.frames_like(6, CHANNELS, 4, 4)
    checks.assert_any_layout(module, [x])
    checks.assert_portable(module, [x], 3)
    checks.assert_low_precision(module, [x], atol=0.05)


@pytest.mark.parametrize("kernel", [1, 3, 5, 13])  # the last reaches beyond all frames
def test_gradients_of_the_depthwise_convolution(kernel: int) -> None:
    x = torch.randn(2, 3, 4, 2, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 1, kernel, 1, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(tam.DepthwiseTemporalConv.apply, (x, weight))
    assert torch.autograd.gradgradcheck(tam.DepthwiseTemporalConv.apply, (x, weight))


@pytest.mark.parametrize("shape", [(2, 6, 3, 3, 4), (1, 6, 1, 3, 4), (1, 6, 2, 1, 1)])
def test_gradients_mix_memory_formats(shape: tuple[int, ...]) -> None:
    """Contiguous and channels-last, as clips and as views of frames, of x and of the gradient."""
    n, c, t, h, w = shape
    clip = checks.frames_like(*shape)
    frames = checks.frames_like(n * t, c, h, w, seed=1).unflatten(0, (n, t)).transpose(1, 2)
    formats = [clip, clip.contiguous(), frames, frames.contiguous()]
    for x, grad in itertools.product(formats, formats):
        weight = torch.ones(c, 1, 3, 1, 1, dtype=torch.float64, requires_grad=True)
        (wanted,) = torch.autograd.grad(tam.depthwise(x, weight), weight, grad)
        (got,) = torch.autograd.grad(tam.blend(x, weight), weight, grad)
        torch.testing.assert_close(got, wanted)


def test_gradients_of_the_maximum() -> None:
    first, second = torch.randn(2, 5, 4, dtype=torch.float64).unbind()
    inputs = (first.requires_grad_(), second.requires_grad_())
    assert torch.autograd.gradcheck(tam.Maximum.apply, inputs)
    assert torch.autograd.gradgradcheck(tam.Maximum.apply, inputs)


def test_a_tie_gives_the_gradient_to_the_first() -> None:
    first, second = torch.ones(2, 3).unbind()
    first.requires_grad_(), second.requires_grad_()
    tam.Maximum.apply(first, second).sum().backward()  # type: ignore[no-untyped-call]
    assert first.grad is not None and first.grad.tolist() == [1, 1, 1]
    assert second.grad is not None and second.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize(("kind", "kernel"), KINDS + CANONICAL)
def test_initial_taps_have_the_deviation_of_pointwise_convolutions(
    kind: Callable[..., nn.Module], kernel: int
) -> None:
    torch.manual_seed(0)
    (weight,) = kind(512, 8, kernel).parameters()
    assert weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.1)


@pytest.mark.parametrize(
    ("kind", "kernel"),
    [
        (tam.TemporalAggregation, 3),
        (canonical.EvenTemporalAggregation, 2),
        (canonical.MaxTemporalAggregation, 3),
        (canonical.MaxTemporalAggregation, 2),
        (tam.DenseTemporalAggregation, 3),
        (tam.EvenDenseTemporalAggregation, 2),
        (tam.DenseMaxTemporalAggregation, 3),
    ],
)
def test_counted_operations(kind: Callable[..., nn.Module], kernel: int) -> None:
    with torch.device("meta"):
        module = kind(CHANNELS, 4, kernel).eval()
        x = torch.empty(2 * 4, CHANNELS, 5, 7)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    (weight,) = module.parameters()
    assert counter.get_total_flops() // 2 == weight.numel() * x[:, 0].numel()
