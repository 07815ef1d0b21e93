"""What excites features (Wang et al., "ACTION-Net", CVPR 2021; Liu et al.,
"TEINet", AAAI 2020). Inputs are frames (N*T, C, H, W), frame-major, preferably in channels-last
memory."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MeanConv(nn.Module):
    """3x3x3 convolution of the channels' mean."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.empty(1, 1, 3, 3, 3))
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, 1, H, W); frames outside the clip are zeros."""
        mean = torch.unflatten(x.mean(1), 0, (-1, 1, self.frames))  # (N, 1, T, H, W)
        return F.conv3d(mean, self.weight, padding=1).transpose(1, 2).flatten(0, 1)


class MotionEnhancement(nn.Module):
    """x[t] * sigmoid(expand(squeeze_next(s[t + 1]) - squeeze(s[t]))), s the mean over space."""

    def __init__(self, channels: int, frames: int, reduction: int = 8) -> None:
        super().__init__()
        self.frames = frames
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.squeeze_next = nn.Linear(channels, channels // reduction)
        self.expand = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); the last frame stays as it is."""
        pooled = torch.unflatten(x.mean((2, 3)), 0, (-1, self.frames))  # (N, T, C)
        change = self.squeeze_next(pooled[:, 1:]) - self.squeeze(pooled[:, :-1])
        gate = F.pad(torch.sigmoid(self.expand(change)), (0, 0, 0, 1), value=1.0)
        return x * gate.flatten(0, 1)[:, :, None, None]


class BoundedMotionEnhancement(nn.Module):
    """x[t] * expand(sigmoid(squeeze_next(s[t + 1]) - squeeze(s[t]))), s the mean over space."""

    def __init__(self, channels: int, frames: int, reduction: int = 8) -> None:
        super().__init__()
        self.frames = frames
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.squeeze_next = nn.Linear(channels, channels // reduction)
        self.expand = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); the last frame stays as it is."""
        pooled = torch.unflatten(x.mean((2, 3)), 0, (-1, self.frames))  # (N, T, C)
        change = self.squeeze_next(pooled[:, 1:]) - self.squeeze(pooled[:, :-1])
        gate = F.pad(self.expand(torch.sigmoid(change)), (0, 0, 0, 1), value=1.0)
        return x * gate.flatten(0, 1)[:, :, None, None]
