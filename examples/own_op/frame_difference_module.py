"""The operator's PyTorch module, as ordinary code. Emission copies the class."""

import torch
from torch import Tensor, nn


class FrameDifference(nn.Module):
    """x[t] + weight * (x[t] - x[t - 1]); the first frame stays as it is."""

    def __init__(self, channels: int, frames: int, share: float = 0.0) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.full((channels,), share))

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W)."""
        clip = torch.unflatten(x, 0, (-1, self.frames))
        change = torch.cat((torch.zeros_like(clip[:, :1]), clip.diff(dim=1)), 1)
        return (clip + self.weight[:, None, None] * change).flatten(0, 1)
