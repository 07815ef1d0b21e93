"""Pooling over time alone. Inputs and outputs are frames, frame-major, preferably in channels-last
memory: (N*T, C, H, W) -> (N*T', C, H, W), T' = (T + 2 * padding - kernel) // stride + 1."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TemporalMaxPool(nn.Module):
    """Maximum over windows of frames."""

    def __init__(self, frames: int, kernel: int = 3, stride: int = 2, padding: int = 1) -> None:
        super().__init__()
        self.frames = frames
        self.kernel = kernel
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T', C, H, W)."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).transpose(1, 2)  # (N, C, T, H, W)
        # Asked for indices as well, max_pool3d stays in bfloat16 under autocast.
        out, _ = F.max_pool3d(
            clip,
            (self.kernel, 1, 1),
            (self.stride, 1, 1),
            (self.padding, 0, 0),
            return_indices=True,
        )
        return out.transpose(1, 2).flatten(0, 1)


class TemporalAvgPool(nn.Module):
    """Average over windows of frames; frames of padding are zeros, and count.

    Sums of frames run in every dtype and keep channels-last memory; avg_pool3d does neither.
    """

    def __init__(self, frames: int, kernel: int = 3, stride: int = 2, padding: int = 1) -> None:
        super().__init__()
        self.frames = frames
        self.kernel = kernel
        self.starts = range(-padding, frames + padding - kernel + 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T', C, H, W)."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)  # (N, T, H, W, C)
        frames = clip.unbind(1)
        windows = [frames[max(start, 0) : start + self.kernel] for start in self.starts]
        sums = [sum(window[1:], window[0]) for window in windows]
        out = torch.stack(sums, 1) / self.kernel
        return out.permute(0, 1, 4, 2, 3).flatten(0, 1)
