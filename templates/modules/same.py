"""Padding by the input's size, as TensorFlow's SAME: ceil(size / stride) windows fit along an axis.

Where the two sides cannot be equal, the one behind gets more.
"""

import torch.nn.functional as F
from torch import Tensor, nn


def same_padding(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> list[int]:
    """Return what F.pad puts around the last axes of x: front and behind, the last axis first."""
    sides: list[int] = []
    for size, k, s in zip(x.shape[-len(kernel) :], kernel, stride, strict=True):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        sides = [total // 2, total - total // 2, *sides]
    return sides


class SameConv2d(nn.Conv2d):
    """Convolution of frames, (N*T, C, H, W), to ceil(size / stride) positions."""

    def forward(self, input: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C', H', W')."""
        return super().forward(F.pad(input, same_padding(input, self.kernel_size, self.stride)))


class SameConv3d(nn.Conv3d):
    """Convolution of clips, (N, C, T, H, W), to ceil(size / stride) positions."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C', T', H', W')."""
        return super().forward(F.pad(input, same_padding(input, self.kernel_size, self.stride)))


class SameMaxPool2d(nn.Module):
    """Maximum over windows of frames; padding is no value."""

    def __init__(self, kernel_size: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H', W')."""
        sides = same_padding(x, self.kernel_size, self.stride)
        return F.max_pool2d(F.pad(x, sides, value=-float("inf")), self.kernel_size, self.stride)


class SameMaxPool3d(nn.Module):
    """Maximum over windows of clips; padding is no value."""

    def __init__(self, kernel_size: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C, T', H', W')."""
        sides = same_padding(x, self.kernel_size, self.stride)
        return F.max_pool3d(F.pad(x, sides, value=-float("inf")), self.kernel_size, self.stride)
