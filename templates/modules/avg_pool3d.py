"""Average pooling of clips (N, C, T, H, W), in every dtype and fast in channels-last memory.

Equal to nn.AvgPool3d, which has no bfloat16 on CPU and leaves channels-last memory.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def average_space(clip: Tensor, kernel: int, stride: int, padding: int, ceil_mode: bool) -> Tensor:
    """Pool every frame; padding counts as zeros."""
    frames = clip.transpose(1, 2).flatten(0, 1)
    frames = F.avg_pool2d(frames, kernel, stride, padding, ceil_mode)
    return torch.unflatten(frames, 0, (-1, clip.shape[2])).transpose(1, 2)


def average_time(clip: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """Pool every pixel over neighbouring frames; padding counts as zeros."""
    padded = F.pad(clip, (0, 0, 0, 0, padding, padding))
    length = (padded.shape[2] - kernel) // stride * stride + 1
    total = padded[:, :, :length:stride]
    for i in range(1, kernel):
        total = total + padded[:, :, i : i + length : stride]
    return total / kernel


class SpatialAvgPool3d(nn.Module):
    """Average over space: (N, C, T, H, W) to (N, C, T, H', W')."""

    def __init__(
        self, kernel_size: int, stride: int, padding: int = 0, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode = ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C, T, H', W')."""
        return average_space(x, self.kernel_size, self.stride, self.padding, self.ceil_mode)


class TemporalAvgPool3d(nn.Module):
    """Average over time: (N, C, T, H, W) to (N, C, T', H, W)."""

    def __init__(self, kernel_size: int, stride: int, padding: int = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C, T', H, W)."""
        return average_time(x, self.kernel_size, self.stride, self.padding)


class AvgPool3d(nn.Module):
    """Average over space and time: (N, C, T, H, W) to (N, C, T', H', W')."""

    def __init__(
        self,
        kernel_size: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int] = (0, 0),
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode = ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C, T', H', W')."""
        (t, k), (st, s), (pt, p) = self.kernel_size, self.stride, self.padding
        return average_time(average_space(x, k, s, p, self.ceil_mode), t, st, pt)
