"""What the interpreter's rules share: weights by name, and clips (N, C, T, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

State = Mapping[str, Tensor]
Rule = Callable[[Any, "Weights", list[Tensor]], Tensor]


class Weights:
    """The entries of a state dict below a path."""

    def __init__(self, state: State, path: str) -> None:
        self.state, self.path = state, path

    def __call__(self, name: str) -> Tensor | None:
        return self.state.get(f"{self.path}.{name}")

    def must(self, name: str) -> Tensor:
        return self.state[f"{self.path}.{name}"]

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.must(f"{name}.weight"), self(f"{name}.bias"))

    def conv1d(self, name: str, x: Tensor, dilation: int = 1) -> Tensor:
        """Of (N, C, T): a kernel whose middle lies on the frame; zeros beyond the ends."""
        kernel = self.must(f"{name}.weight")
        padding = kernel.shape[2] // 2 * dilation
        bias = self(f"{name}.bias")
        return F.conv1d(x, kernel, bias, padding=padding, dilation=dilation)

    def norm(self, name: str, x: Tensor) -> Tensor:
        mean, variance = self.must(f"{name}.running_mean"), self.must(f"{name}.running_var")
        return F.batch_norm(x, mean, variance, self(f"{name}.weight"), self(f"{name}.bias"))


def frames_apart(x: Tensor, steps: int) -> Tensor:
    """Return the clip in which frame t is frame t + steps, zeros beyond the ends."""
    frames = x.unbind(2)
    count = len(frames)
    moved = [
        frames[t + steps] if 0 <= t + steps < count else torch.zeros_like(frames[0])
        for t in range(count)
    ]
    return torch.stack(moved, 2)
