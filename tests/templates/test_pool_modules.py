"""Temporal pooling against torch's pooling of contiguous clips."""

from collections.abc import Callable

import pytest
import torch.nn.functional as F
from torch import Tensor, nn

from templates.modules.pool import TemporalAvgPool, TemporalMaxPool
from tests.templates import checks

WINDOWS = [(3, 2, 1), (2, 2, 0), (3, 1, 1), (3, 3, 0), (2, 1, 1), (3, 2, 0)]
KINDS = [(TemporalMaxPool, F.max_pool1d), (TemporalAvgPool, F.avg_pool1d)]


def naive(x: Tensor, frames: int, pool: Callable[..., Tensor], window: tuple[int, ...]) -> Tensor:
    """Every position's frames as a sequence (N*H*W, C, T)."""
    batch, (_, channels, height, width) = len(x) // frames, x.shape
    clip = x.view(batch, frames, channels, height, width)
    out = pool(clip.permute(0, 3, 4, 2, 1).reshape(-1, channels, frames), *window)
    out = out.view(batch, height, width, channels, -1).permute(0, 4, 3, 1, 2)
    return out.reshape(-1, channels, height, width)


@pytest.mark.parametrize("frames", [3, 4, 5, 8])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("kind", "pool"), KINDS)
def test_equals_the_definition(
    kind: Callable[..., nn.Module],
    pool: Callable[..., Tensor],
    window: tuple[int, ...],
    frames: int,
) -> None:
    x = checks.frames_like(2 * frames, 4, 3, 5)
    module = kind(frames, *window)
    checks.assert_same_function(module, lambda x: naive(x, frames, pool, window), [x])


@pytest.mark.parametrize(("kind", "pool"), KINDS)
def test_one_frame(kind: Callable[..., nn.Module], pool: Callable[..., Tensor]) -> None:
    x = checks.frames_like(2, 4, 3, 5)
    checks.assert_same_function(kind(1), lambda x: naive(x, 1, pool, (3, 2, 1)), [x])


@pytest.mark.parametrize(("kind", "_pool"), KINDS)
def test_runs_everywhere(kind: Callable[..., nn.Module], _pool: object) -> None:
    x = checks.frames_like(10, 16, 4, 4)
    checks.assert_any_layout(kind(5), [x])
    checks.assert_portable(kind(5), [x], 5)
    checks.assert_low_precision(kind(5), [x], atol=0.02)
