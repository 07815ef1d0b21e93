"""Gates that features make of themselves (Wang et al., "ACTION-Net", CVPR 2021; Liu et al.,
"TEINet", AAAI 2020). Inputs are frames (N*T, C, H, W), frame-major, preferably in channels-last
memory."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SpatiotemporalGate(nn.Module):
    """Weighs every position: sigmoid of a 3x3x3 convolution of the channels' mean."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.conv = nn.Conv3d(1, 1, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, 1, H, W)."""
        mean = torch.unflatten(x.mean(1), 0, (-1, 1, self.frames))  # (N, 1, T, H, W)
        gate: Tensor = self.conv(mean)
        return torch.sigmoid(gate).flatten(0, 2).unsqueeze(1)


class ChannelGate(nn.Module):
    """Weighs every channel of every frame by the channels of three frames."""

    def __init__(self, channels: int, frames: int, reduction: int = 16) -> None:
        super().__init__()
        self.frames = frames
        inner = channels // reduction
        self.squeeze = nn.Conv2d(channels, inner, kernel_size=1, bias=False)
        self.conv = nn.Conv1d(inner, inner, kernel_size=3, padding=1, bias=False)
        self.expand = nn.Conv2d(inner, channels, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, 1, 1)."""
        pooled = self.squeeze(x.mean((2, 3), keepdim=True)).flatten(1)
        clip = torch.unflatten(pooled, 0, (-1, self.frames)).transpose(1, 2)  # (N, C/r, T)
        inner = F.relu(self.conv(clip)).transpose(1, 2).flatten(0, 1)
        return torch.sigmoid(self.expand(inner[:, :, None, None]))


class MotionGate(nn.Module):
    """Weighs every channel of every frame by how it changes until the next frame."""

    def __init__(self, channels: int, frames: int, reduction: int = 16) -> None:
        super().__init__()
        self.frames = frames
        inner = channels // reduction
        self.squeeze = nn.Conv2d(channels, inner, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm2d(inner)
        self.conv = nn.Conv2d(inner, inner, kernel_size=3, padding=1, groups=inner, bias=False)
        self.expand = nn.Conv2d(inner, channels, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, 1, 1); the last frame changes into nothing."""
        inner = self.bn(self.squeeze(x))
        here = torch.unflatten(inner.mean((2, 3)), 0, (-1, self.frames))  # (N, T, C/r)
        after = torch.unflatten(self.conv(inner).mean((2, 3)), 0, (-1, self.frames))
        change = F.pad(after[:, 1:] - here[:, :-1], (0, 0, 0, 1)).flatten(0, 1)
        return torch.sigmoid(self.expand(change[:, :, None, None]))


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
