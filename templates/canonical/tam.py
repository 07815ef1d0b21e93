"""The operators of modules/tam.py that run otherwise, as the convolutions that define them.

Parameters and results are the same; torch.utils.flop_counter finds here the multiply-accumulates
that count as theirs: b * C * T * H * W for b frames.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EvenTemporalAggregation(nn.Module):
    """Depth-wise blend of an even number of frames, from t - kernel // 2 to t + kernel // 2 - 1."""

    def __init__(self, channels: int, frames: int, kernel: int) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.empty(channels, 1, kernel, 1, 1))
        nn.init.normal_(self.weight, std=(2 / channels) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        channels, _, taps, _, _ = self.weight.shape
        clip = torch.unflatten(x, 0, (-1, self.frames)).transpose(1, 2)
        padded = F.pad(clip, (0, 0, 0, 0, taps // 2, taps // 2 - 1))
        out = F.relu(F.conv3d(padded, self.weight, groups=channels))
        return out.transpose(1, 2).flatten(0, 1)


class MaxTemporalAggregation(nn.Module):
    """Depth-wise maximum over weighted frames: relu(max_i w_i * x[t + i - kernel // 2])."""

    def __init__(self, channels: int, frames: int, kernel: int = 3) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.empty(channels, 1, kernel, 1, 1))
        nn.init.normal_(self.weight, std=(2 / channels) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        channels, _, taps, _, _ = self.weight.shape
        shifted = []
        for i, tap in enumerate(self.weight.unbind(2)):  # each (C, 1, 1, 1)
            clip = torch.unflatten(F.conv2d(x, tap, groups=channels), 0, (-1, self.frames))
            padded = F.pad(clip, (0, 0, 0, 0, 0, 0, taps // 2, (taps - 1) // 2))
            shifted.append(padded[:, i : i + self.frames])
        return F.relu(torch.stack(shifted).amax(0)).flatten(0, 1)
