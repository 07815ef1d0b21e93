"""X3D, expanded from a small image network along time, space, width and depth; M by default.

Clip (N, 3, 16, 224, 224); 3.79 M parameters, 4.73 GMACs.
Paper: Feichtenhofer, X3D: Expanding Architectures for Efficient Video Recognition, CVPR 2020

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'x3d'.
math 4ee5dbfaffe6db96, weights f410c1076f54e2b1.
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
        self.conv = nn.Conv3d(192, 432, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm3d(432)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class X3D(nn.Module):
    """X3D for clips of 16 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(
            3, 24, kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), bias=False
        )
        self.conv1_t = nn.Conv3d(
            24, 24, kernel_size=(5, 1, 1), padding=(2, 0, 0), groups=24, bias=False
        )
        self.bn1 = nn.BatchNorm3d(24)
        self.layer1 = nn.Sequential(
            DownsampleInvertedBottleneck(24, 24, inner=54, se_inner=8),
            InvertedBottleneck(24, inner=54),
            SEInvertedBottleneck(24, inner=54, se_inner=8),
        )
        self.layer2 = nn.Sequential(
            DownsampleInvertedBottleneck(24, 48, inner=108, se_inner=8),
            InvertedBottleneck(48, inner=108),
            SEInvertedBottleneck(48, inner=108, se_inner=8),
            InvertedBottleneck(48, inner=108),
            SEInvertedBottleneck(48, inner=108, se_inner=8),
        )
        self.layer3 = nn.Sequential(
            DownsampleInvertedBottleneck(48, 96, inner=216, se_inner=16),
            InvertedBottleneck(96, inner=216),
            SEInvertedBottleneck(96, inner=216, se_inner=16),
            InvertedBottleneck(96, inner=216),
            SEInvertedBottleneck(96, inner=216, se_inner=16),
            InvertedBottleneck(96, inner=216),
            SEInvertedBottleneck(96, inner=216, se_inner=16),
            InvertedBottleneck(96, inner=216),
            SEInvertedBottleneck(96, inner=216, se_inner=16),
            InvertedBottleneck(96, inner=216),
            SEInvertedBottleneck(96, inner=216, se_inner=16),
        )
        self.layer4 = nn.Sequential(
            DownsampleInvertedBottleneck(96, 192, inner=432, se_inner=32),
            InvertedBottleneck(192, inner=432),
            SEInvertedBottleneck(192, inner=432, se_inner=32),
            InvertedBottleneck(192, inner=432),
            SEInvertedBottleneck(192, inner=432, se_inner=32),
            InvertedBottleneck(192, inner=432),
            SEInvertedBottleneck(192, inner=432, se_inner=32),
        )
        self.conv5 = ConvUnit()
        self.head_pool = WindowPool((16, 7, 7))
        self.hidden = nn.Conv3d(432, 2048, kernel_size=1, bias=False)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2048, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.contiguous(memory_format=torch.channels_last_3d)
        x = self.conv1(x)  # (N, 24, 16, 112, 112)
        x = F.relu(self.bn1(self.conv1_t(x)), inplace=True)  # (N, 24, 16, 112, 112)
        x = self.layer1(x)  # (N, 24, 16, 56, 56)
        x = self.layer2(x)  # (N, 48, 16, 28, 28)
        x = self.layer3(x)  # (N, 96, 16, 14, 14)
        x = self.layer4(x)  # (N, 192, 16, 7, 7)
        x = self.conv5(x)  # (N, 432, 16, 7, 7)
        x = self.head_pool(x)  # (N, 432, 1, 1, 1)
        x = F.relu(self.hidden(x), inplace=True)  # (N, 2048, 1, 1, 1)
        x = x.flatten(2).transpose(1, 2)  # (N, 1, 2048)
        x = self.dropout(x)  # (N, 1, 2048)
        x = self.fc(x)  # (N, 1, 400)
        return torch.mean(x, 1)  # (N, 400)
