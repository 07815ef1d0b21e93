"""Weights in no time: most of what a model takes to be made is drawing millions of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from unittest.mock import patch

import torch
from torch import Tensor

LENGTH = 1_000_003
"""Numbers that are drawn; a prime, so that tensors of one size begin at different ones."""


@cache
def _drawn() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    cpu = torch.device("cpu")  # whatever device new tensors go to
    normal = torch.randn(LENGTH, generator=generator, device=cpu)
    return normal, torch.rand(LENGTH, generator=generator, device=cpu)


@contextmanager
def quick_noise(seed: int = 0) -> Iterator[None]:
    """Have tensors take normal and uniform numbers from a long list, on and on, from its start.

    A tensor without memory takes none. The tensors made meanwhile are as good as random, no two of
    them alike, and the same for each seed.
    """
    at = 7919 * seed

    def take(tensor: Tensor, numbers: Tensor, scale: float, shift: float) -> Tensor:
        nonlocal at
        if not tensor.is_meta:
            first, count = at % LENGTH, tensor.numel()
            at += count
            taken = numbers[first : first + count]
            if missing := count - taken.numel():
                rounds = [numbers] * (missing // LENGTH)
                taken = torch.cat([taken, *rounds, numbers[: missing % LENGTH]])
            torch.add(shift, taken.view(tensor.shape), alpha=scale, out=tensor)
        return tensor

    def normal_(self: Tensor, mean: float = 0, std: float = 1, **_: object) -> Tensor:
        return take(self, _drawn()[0], std, mean)

    def uniform_(self: Tensor, low: float = 0, high: float = 1, **_: object) -> Tensor:
        return take(self, _drawn()[1], high - low, low)

    with patch.object(Tensor, "normal_", normal_), patch.object(Tensor, "uniform_", uniform_):
        yield


@contextmanager
def no_noise() -> Iterator[None]:
    """Have tensors keep what their memory holds, for models whose weights are all given later."""

    def kept(self: Tensor, *_: object, **__: object) -> Tensor:
        return self

    with patch.object(Tensor, "normal_", kept), patch.object(Tensor, "uniform_", kept):
        yield
