"""Windows, squeeze-excitation and probabilities against plain formulations."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from templates.modules.probabilities import SigmoidInEvaluation, SoftmaxInEvaluation
from templates.modules.squeeze_excite import SqueezeExcite
from templates.modules.window_pool import WindowPool
from tests.templates import checks


def clips_like(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    return values.contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("window", [(4, 3, 5), (1, 1, 1), (2, 3, 2), (4, 1, 5)])
def test_windows_are_average_pools(window: tuple[int, int, int]) -> None:
    checks.assert_same_function(
        WindowPool(window), lambda x: F.avg_pool3d(x, window, 1), [clips_like(2, 6, 4, 3, 5)]
    )


def test_windows_in_every_precision() -> None:
    module, x = WindowPool((2, 3, 2)), clips_like(2, 6, 4, 3, 5)
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        out = module(x.to(dtype))
        assert out.dtype == dtype
        torch.testing.assert_close(out.double(), module(x), rtol=0.02, atol=0.02)


def by_hand(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """Each clip and channel by itself, layers as matrices."""
    out = []
    for clip in x:
        means = clip.flatten(1).sum(1) / clip[0].numel()
        inner = (w1.flatten(1) @ means + b1).clamp(min=0)
        gates = 1 / (1 + (-(w2.flatten(1) @ inner + b2)).exp())
        out.append(clip * gates.view(-1, 1, 1, 1))
    return torch.stack(out)


def test_squeeze_excitation_is_its_definition() -> None:
    torch.manual_seed(0)
    module = SqueezeExcite(6, 4).double()
    checks.assert_same_function(module, by_hand, [clips_like(3, 6, 4, 3, 5)])


def test_squeeze_excitation_runs_everywhere() -> None:
    torch.manual_seed(0)
    module, x = SqueezeExcite(6, 4).double(), clips_like(2, 6, 4, 3, 5)
    checks.assert_portable(module, [x], 1)
    checks.assert_low_precision(module, [x], atol=0.05)


@pytest.mark.parametrize(
    ("module", "function"),
    [
        (SoftmaxInEvaluation(), lambda x: x.exp() / x.exp().sum(-1, keepdim=True)),
        (SigmoidInEvaluation(), lambda x: 1 / (1 + (-x).exp())),
    ],
)
def test_probabilities_are_for_evaluation(module: nn.Module, function: object) -> None:
    x = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert module.train()(x) is x
    assert callable(function)
    torch.testing.assert_close(module.eval()(x), function(x))
