"""GSM on BNInception.

Clip (N, 3, 8, 224, 224); 10.50 M parameters, 16.34 GMACs.
Paper: Sudhakaran et al., Gate-Shift Networks for Video Action Recognition, CVPR 2020
Paper: Ioffe and Szegedy, Batch Normalization, ICML 2015

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'gsm_bninception'.
math b0c70a286be0f6d8, weights 520bd6beb5873705.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GateShift(nn.Module):
    """Moves what the gates let through: of half of the channels a frame back, of the rest on.

    The gates start closed. Channels of each half then interleave, so that it starts as a
    permutation of the channels.
    """

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.zeros(2, channels // 2, 3, 3, 3))
        self.bias = nn.Parameter(torch.zeros(2))
        self.bn = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).transpose(1, 2)  # (N, C, T, H, W)
        seen = F.relu(self.bn(clip))
        gate = torch.tanh(F.conv3d(seen, self.weight, self.bias, padding=1, groups=2))
        ahead, behind = gate.permute(0, 2, 3, 4, 1).unsqueeze(-1).unbind(-2)
        first, second = clip.permute(0, 2, 3, 4, 1).chunk(2, -1)  # each (N, T, H, W, C/2)
        moved, outside = ahead * first, (0, 0, 0, 0, 0, 0)
        first = first - moved + F.pad(moved[:, 1:], (*outside, 0, 1))
        moved = behind * second
        second = second - moved + F.pad(moved[:, :-1], (*outside, 1, 0))
        halves = torch.stack((first, second), -2)  # (N, T, H, W, 2, C/2)
        mixed = torch.unflatten(halves, -1, (2, -1)).transpose(-1, -2)
        return mixed.flatten(-3).permute(0, 1, 4, 2, 3).flatten(0, 1)


class ConvUnit(nn.Module):
    """Convolution, batch norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size=kernel, stride=stride, padding=kernel // 2
        )
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class GateShiftConvUnit(nn.Module):
    """Convolution, batch norm and ReLU, with a gated shift."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=1)
        self.gate_shift = GateShift(out_channels, frames=8)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return F.relu(self.bn(self.gate_shift(x)), inplace=True)


class GateShiftStridedConvUnit(nn.Module):
    """Convolution, batch norm and ReLU, with a gated shift."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 128, kernel_size=1)
        self.gate_shift_strided = GateShift(128, frames=8)
        self.bn = nn.BatchNorm2d(128)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return F.relu(self.bn(self.gate_shift_strided(x)), inplace=True)


class Inception(nn.Module):
    """Inception module."""

    def __init__(
        self,
        in_channels: int,
        branch1: int,
        reduce2: int,
        branch2: int,
        reduce3: int,
        branch3: int,
        branch4: int,
    ) -> None:
        super().__init__()
        self.branch1 = GateShiftConvUnit(in_channels, branch1)
        self.branch2 = nn.Sequential(
            ConvUnit(in_channels, reduce2, kernel=1), ConvUnit(reduce2, branch2, kernel=3)
        )
        self.branch3 = nn.Sequential(
            ConvUnit(in_channels, reduce3, kernel=1),
            ConvUnit(reduce3, branch3, kernel=3),
            ConvUnit(branch3, branch3, kernel=3),
        )
        self.branch4 = nn.Sequential(
            nn.AvgPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            ConvUnit(in_channels, branch4, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        branch1 = self.branch1(x)
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        branch4 = self.branch4(x)
        return torch.cat([branch1, branch2, branch3, branch4], dim=1)


class DownsampleInception(nn.Module):
    """Inception module that halves the resolution."""

    def __init__(self, in_channels: int, branch2: int, reduce3: int, branch3: int) -> None:
        super().__init__()
        self.branch2 = nn.Sequential(
            GateShiftStridedConvUnit(in_channels), ConvUnit(128, branch2, kernel=3, stride=2)
        )
        self.branch3 = nn.Sequential(
            ConvUnit(in_channels, reduce3, kernel=1),
            ConvUnit(reduce3, branch3, kernel=3),
            ConvUnit(branch3, branch3, kernel=3, stride=2),
        )
        self.branch4 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        branch4 = self.branch4(x)
        return torch.cat([branch2, branch3, branch4], dim=1)


class Inception2(nn.Module):
    """Inception module."""

    def __init__(self) -> None:
        super().__init__()
        self.branch1 = GateShiftConvUnit(1024, 352)
        self.branch2 = nn.Sequential(ConvUnit(1024, 192, kernel=1), ConvUnit(192, 320, kernel=3))
        self.branch3 = nn.Sequential(
            ConvUnit(1024, 192, kernel=1),
            ConvUnit(192, 224, kernel=3),
            ConvUnit(224, 224, kernel=3),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            ConvUnit(1024, 128, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        branch1 = self.branch1(x)
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        branch4 = self.branch4(x)
        return torch.cat([branch1, branch2, branch3, branch4], dim=1)


class GSMBNInception(nn.Module):
    """GSM for clips of 8 frames."""

    def __init__(self, num_classes: int = 174) -> None:
        super().__init__()
        self.conv1 = ConvUnit(3, 64, kernel=7, stride=2)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.conv2 = ConvUnit(64, 64, kernel=1)
        self.conv3 = ConvUnit(64, 192, kernel=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, 64, 64, 64, 96, 32)
        self.inception3b = Inception(256, 64, 64, 96, 64, 96, 64)
        self.inception3c = DownsampleInception(320, 160, 64, 96)
        self.inception4a = Inception(576, 224, 64, 96, 96, 128, 128)
        self.inception4b = Inception(576, 192, 96, 128, 96, 128, 128)
        self.inception4c = Inception(576, 160, 128, 160, 128, 160, 128)
        self.inception4d = Inception(608, 96, 128, 192, 160, 192, 128)
        self.inception4e = DownsampleInception(608, 192, 192, 256)
        self.inception5a = Inception(1056, 352, 192, 320, 160, 224, 128)
        self.inception5b = Inception2()
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(1024, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv2d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.transpose(1, 2).flatten(0, 1)  # (N*8, 3, 224, 224)
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.conv1(x)  # (N*8, 64, 112, 112)
        x = self.maxpool1(x)  # (N*8, 64, 56, 56)
        x = self.conv2(x)  # (N*8, 64, 56, 56)
        x = self.conv3(x)  # (N*8, 192, 56, 56)
        x = self.maxpool2(x)  # (N*8, 192, 28, 28)
        x = self.inception3a(x)  # (N*8, 256, 28, 28)
        x = self.inception3b(x)  # (N*8, 320, 28, 28)
        x = self.inception3c(x)  # (N*8, 576, 14, 14)
        x = self.inception4a(x)  # (N*8, 576, 14, 14)
        x = self.inception4b(x)  # (N*8, 576, 14, 14)
        x = self.inception4c(x)  # (N*8, 608, 14, 14)
        x = self.inception4d(x)  # (N*8, 608, 14, 14)
        x = self.inception4e(x)  # (N*8, 1056, 7, 7)
        x = self.inception5a(x)  # (N*8, 1024, 7, 7)
        x = self.inception5b(x)  # (N*8, 1024, 7, 7)
        x = x.mean((-2, -1))  # (N*8, 1024)
        x = self.dropout(x)  # (N*8, 1024)
        x = self.fc(x)  # (N*8, 174)
        return torch.unflatten(x, 0, (-1, 8)).mean(1)  # (N, 174)
