"""X3D-XL, wider and deeper, 16 frames of 312 pixels.

Clip (N, 3, 16, 312, 312); 11.10 M parameters, 35.84 GMACs.
Paper: Feichtenhofer, X3D: Expanding Architectures for Efficient Video Recognition, CVPR 2020

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'x3d_xl'.
math 9d3661aaabecc4e8, weights 5f5ea896388b9c81.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """Each channel times a gate: averages over the clip, two layers, sigmoid."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv3d(channels, inner, kernel_size=1)
        self.fc2 = nn.Conv3d(inner, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C, T, H, W)."""
        gates = x.mean((2, 3, 4), keepdim=True)  # (N, C, 1, 1, 1)
        gates = F.relu(self.fc1(gates), inplace=True)
        return x * torch.sigmoid(self.fc2(gates))


class WindowPool(nn.Module):
    """Average over every window of t frames, height h and width w: stride 1, no padding."""

    def __init__(self, window: tuple[int, int, int]) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C, T - t + 1, H - h + 1, W - w + 1)."""
        # A mean over views runs in every dtype; avg_pool3d knows no bfloat16 on CPU.
        for axis, size in enumerate(self.window, start=2):
            x = x.unfold(axis, size, 1)
        return x.mean((-3, -2, -1))


class DownsampleInvertedBottleneck(nn.Module):
    """Inverted bottleneck residual block with a projected shortcut, with squeeze-excitation."""

    def __init__(self, in_channels: int, width: int, inner: int, se_inner: int) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv3d(in_channels, width, kernel_size=1, stride=(1, 2, 2), bias=False),
            nn.BatchNorm3d(width),
        )
        self.conv1 = nn.Conv3d(in_channels, inner, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(inner)
        self.conv2 = nn.Conv3d(
            inner, inner, kernel_size=3, stride=(1, 2, 2), padding=1, groups=inner, bias=False
        )
        self.bn2 = nn.BatchNorm3d(inner)
        self.se = SqueezeExcite(inner, se_inner)
        self.conv3 = nn.Conv3d(inner, width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.bn2(self.conv2(x))
        x = F.silu(self.se(x), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x + shortcut, inplace=True)


class InvertedBottleneck(nn.Module):
    """Inverted bottleneck residual block."""

    def __init__(self, in_channels: int, inner: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(in_channels, inner, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(inner)
        self.conv2 = nn.Conv3d(inner, inner, kernel_size=3, padding=1, groups=inner, bias=False)
        self.bn2 = nn.BatchNorm3d(inner)
        self.conv3 = nn.Conv3d(inner, in_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.silu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + x, inplace=True)


class SEInvertedBottleneck(nn.Module):
    """Inverted bottleneck residual block, with squeeze-excitation."""

    def __init__(self, in_channels: int, inner: int, se_inner: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(in_channels, inner, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(inner)
        self.conv2 = nn.Conv3d(inner, inner, kernel_size=3, padding=1, groups=inner, bias=False)
        self.bn2 = nn.BatchNorm3d(inner)
        self.se = SqueezeExcite(inner, se_inner)
        self.conv3 = nn.Conv3d(inner, in_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        y = F.silu(self.se(y), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + x, inplace=True)


class ConvUnit(nn.Module):
    """Convolution, batch norm and ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(280, 630, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm3d(630)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class X3DXl(nn.Module):
    """X3D-XL for clips of 16 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(
            3, 32, kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), bias=False
        )
        self.conv1_t = nn.Conv3d(
            32, 32, kernel_size=(5, 1, 1), padding=(2, 0, 0), groups=32, bias=False
        )
        self.bn1 = nn.BatchNorm3d(32)
        self.layer1 = nn.Sequential(
            DownsampleInvertedBottleneck(32, 32, inner=72, se_inner=8),
            InvertedBottleneck(32, inner=72),
            SEInvertedBottleneck(32, inner=72, se_inner=8),
            InvertedBottleneck(32, inner=72),
            SEInvertedBottleneck(32, inner=72, se_inner=8),
        )
        self.layer2 = nn.Sequential(
            DownsampleInvertedBottleneck(32, 72, inner=162, se_inner=16),
            InvertedBottleneck(72, inner=162),
            SEInvertedBottleneck(72, inner=162, se_inner=16),
            InvertedBottleneck(72, inner=162),
            SEInvertedBottleneck(72, inner=162, se_inner=16),
            InvertedBottleneck(72, inner=162),
            SEInvertedBottleneck(72, inner=162, se_inner=16),
            InvertedBottleneck(72, inner=162),
            SEInvertedBottleneck(72, inner=162, se_inner=16),
            InvertedBottleneck(72, inner=162),
        )
        self.layer3 = nn.Sequential(
            DownsampleInvertedBottleneck(72, 136, inner=306, se_inner=24),
            InvertedBottleneck(136, inner=306),
            SEInvertedBottleneck(136, inner=306, se_inner=24),
            InvertedBottleneck(136, inner=306),
            SEInvertedBottleneck(136, inner=306, se_inner=24),
            InvertedBottleneck(136, inner=306),
            SEInvertedBottleneck(136, inner=306, se_inner=24),
            InvertedBottleneck(136, inner=306),
            SEInvertedBottleneck(136, inner=306, se_inner=24),
            InvertedBottleneck(136, inner=306),
            SEInvertedBottleneck(136, inner=306, se_inner=24),
            InvertedBottleneck(136, inner=306),
            SEInvertedBottleneck(136, inner=306, se_inner=24),
            InvertedBottleneck(136, inner=306),
            SEInvertedBottleneck(136, inner=306, se_inner=24),
            InvertedBottleneck(136, inner=306),
            SEInvertedBottleneck(136, inner=306, se_inner=24),
            InvertedBottleneck(136, inner=306),
            SEInvertedBottleneck(136, inner=306, se_inner=24),
            InvertedBottleneck(136, inner=306),
            SEInvertedBottleneck(136, inner=306, se_inner=24),
            InvertedBottleneck(136, inner=306),
            SEInvertedBottleneck(136, inner=306, se_inner=24),
            InvertedBottleneck(136, inner=306),
            SEInvertedBottleneck(136, inner=306, se_inner=24),
        )
        self.layer4 = nn.Sequential(
            DownsampleInvertedBottleneck(136, 280, inner=630, se_inner=40),
            InvertedBottleneck(280, inner=630),
            SEInvertedBottleneck(280, inner=630, se_inner=40),
            InvertedBottleneck(280, inner=630),
            SEInvertedBottleneck(280, inner=630, se_inner=40),
            InvertedBottleneck(280, inner=630),
            SEInvertedBottleneck(280, inner=630, se_inner=40),
            InvertedBottleneck(280, inner=630),
            SEInvertedBottleneck(280, inner=630, se_inner=40),
            InvertedBottleneck(280, inner=630),
            SEInvertedBottleneck(280, inner=630, se_inner=40),
            InvertedBottleneck(280, inner=630),
            SEInvertedBottleneck(280, inner=630, se_inner=40),
            InvertedBottleneck(280, inner=630),
            SEInvertedBottleneck(280, inner=630, se_inner=40),
        )
        self.conv5 = ConvUnit()
        self.head_pool = WindowPool((16, 10, 10))
        self.hidden = nn.Conv3d(630, 2048, kernel_size=1, bias=False)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2048, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.contiguous(memory_format=torch.channels_last_3d)
        x = self.conv1(x)  # (N, 32, 16, 156, 156)
        x = F.relu(self.bn1(self.conv1_t(x)), inplace=True)  # (N, 32, 16, 156, 156)
        x = self.layer1(x)  # (N, 32, 16, 78, 78)
        x = self.layer2(x)  # (N, 72, 16, 39, 39)
        x = self.layer3(x)  # (N, 136, 16, 20, 20)
        x = self.layer4(x)  # (N, 280, 16, 10, 10)
        x = self.conv5(x)  # (N, 630, 16, 10, 10)
        x = self.head_pool(x)  # (N, 630, 1, 1, 1)
        x = F.relu(self.hidden(x), inplace=True)  # (N, 2048, 1, 1, 1)
        x = x.flatten(2).transpose(1, 2)  # (N, 1, 2048)
        x = self.dropout(x)  # (N, 1, 2048)
        x = self.fc(x)  # (N, 1, 400)
        return torch.mean(x, 1)  # (N, 400)
