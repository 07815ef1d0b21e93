"""Attention over positions against a sum over pairs."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from templates.canonical import attention as canonical
from templates.modules import attention
from tests.templates import checks

Build = Callable[[int], nn.Module]
CHANNELS = 6


def softmax(frames: int) -> nn.Module:
    return attention.SoftmaxAttention(frames, 0.3)


def dot_product(frames: int) -> nn.Module:
    return attention.DotProductAttention(frames)


def concatenation(frames: int) -> nn.Module:
    torch.manual_seed(3)
    return attention.ConcatenationAttention(CHANNELS, frames)


def dot_product_pairs(frames: int) -> nn.Module:
    return canonical.DotProductAttention(frames)


def concatenation_pairs(frames: int) -> nn.Module:
    torch.manual_seed(3)
    return canonical.ConcatenationAttention(CHANNELS, frames)


MODULES: list[Build] = [softmax, dot_product, concatenation]
PAIRS: list[Build] = [dot_product_pairs, concatenation_pairs]


def naive(module: nn.Module, frames: int, inputs: list[Tensor], weight: Tensor | None) -> Tensor:
    """One clip at a time, positions in the order (t, h, w), all pairs written out."""
    clips = []
    for theta, phi, g in zip(*[x.split(frames) for x in inputs], strict=True):
        rows, columns, values = (x.permute(1, 0, 2, 3).flatten(1) for x in (theta, phi, g))
        products = torch.einsum("cp,cq->pq", rows, columns)
        if isinstance(module, attention.SoftmaxAttention):
            exponentials = (module.scale * products).exp()
            pairs = exponentials / exponentials.sum(1, keepdim=True)
        elif weight is None:
            pairs = products / columns.shape[1]
        else:
            every = torch.stack(
                [torch.cat((row, column)) for row in rows.unbind(1) for column in columns.unbind(1)]
            )
            pairs = (every @ weight).relu().view_as(products) / columns.shape[1]
        y = torch.einsum("pq,dq->dp", pairs, values)
        clips.append(y.view(-1, frames, *theta.shape[2:]).transpose(0, 1))
    return torch.cat(clips)


def inputs_of(frames: int, values: int = CHANNELS) -> list[Tensor]:
    return [
        checks.frames_like(2 * frames, CHANNELS, 4, 6, seed=1),
        checks.frames_like(2 * frames, CHANNELS, 2, 3, seed=2),
        checks.frames_like(2 * frames, values, 2, 3, seed=3),
    ]


@pytest.mark.parametrize("values", [CHANNELS, 2])
@pytest.mark.parametrize("frames", [1, 3, 4])
@pytest.mark.parametrize("build", MODULES + PAIRS)
def test_equals_the_definition(build: Build, frames: int, values: int) -> None:
    module = build(frames).double()

    def reference(theta: Tensor, phi: Tensor, g: Tensor, weight: Tensor | None = None) -> Tensor:
        return naive(module, frames, [theta, phi, g], weight)

    checks.assert_same_function(module, reference, inputs_of(frames, values))


@pytest.mark.parametrize("build", MODULES)
def test_runs_everywhere(build: Build) -> None:
    module = build(3).double()
    inputs = inputs_of(3)
    checks.assert_any_layout(module, inputs)
    checks.assert_portable(module, inputs, 3)
    checks.assert_low_precision(module, inputs, atol=0.05)


@pytest.mark.parametrize(
    ("build", "products"), [(softmax, 2), (dot_product_pairs, 2), (concatenation_pairs, 3)]
)
def test_counted_operations(build: Build, products: int) -> None:
    with torch.device("meta"):
        module = build(8).eval()
        theta, phi = torch.empty(8, CHANNELS, 14, 14), torch.empty(8, CHANNELS, 7, 7)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(theta, phi, phi)
    pairs = (8 * 14 * 14) * (8 * 7 * 7)
    assert counter.get_total_flops() // 2 == products * CHANNELS * pairs
