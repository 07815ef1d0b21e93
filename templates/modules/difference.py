"""Differences between neighbouring frames. Inputs and outputs are frames (N*T, C, H, W),
frame-major, preferably in channels-last memory."""

import torch
from torch import Tensor, nn


def forward_difference(moved: Tensor, x: Tensor) -> Tensor:
    """moved[t + 1] - x[t], zero in the last frame; all are clips (N, T, H, W, C)."""
    return torch.cat((moved[:, 1:] - x[:, :-1], torch.zeros_like(x[:, :1])), 1)


def backward_difference(moved: Tensor, x: Tensor) -> Tensor:
    """moved[t - 1] - x[t], zero in the first frame; all are clips (N, T, H, W, C)."""
    return torch.cat((torch.zeros_like(x[:, :1]), moved[:, :-1] - x[:, 1:]), 1)


class ForwardDifference(nn.Module):
    """What the next frame has that this one has not: moved[t + 1] - x[t]."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, moved: Tensor, x: Tensor) -> Tensor:
        """(N*T, C, H, W), twice -> (N*T, C, H, W)."""
        moved = torch.unflatten(moved, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)
        x = torch.unflatten(x, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)
        return forward_difference(moved, x).permute(0, 1, 4, 2, 3).flatten(0, 1)


class BackwardDifference(nn.Module):
    """What the last frame has that this one has not: moved[t - 1] - x[t]."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, moved: Tensor, x: Tensor) -> Tensor:
        """(N*T, C, H, W), twice -> (N*T, C, H, W)."""
        moved = torch.unflatten(moved, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)
        x = torch.unflatten(x, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)
        return backward_difference(moved, x).permute(0, 1, 4, 2, 3).flatten(0, 1)


class BothDifferences(nn.Module):
    """Forward differences of a clip's frames, and behind them the backward ones."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, moved: Tensor, x: Tensor) -> Tensor:
        """(N*T, C, H, W), twice -> (N*2*T, C, H, W)."""
        moved = torch.unflatten(moved, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)
        x = torch.unflatten(x, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)
        both = torch.cat((forward_difference(moved, x), backward_difference(moved, x)), 1)
        return both.permute(0, 1, 4, 2, 3).flatten(0, 1)
