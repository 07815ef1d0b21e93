"""Slow on ResNet50, 8 frames with a stride of 8.

Clip (N, 3, 8, 224, 224); 32.45 M parameters, 41.74 GMACs.
Paper: Feichtenhofer et al., SlowFast Networks for Video Recognition, ICCV 2019
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'slow_r50_8x8'.
math 3e8523683a2abe7b, weights 09287f2bb1f3f5be.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


class DownsampleBottleneck(nn.Module):
    """Bottleneck residual block with a projected shortcut."""

    def __init__(self, in_channels: int, width: int, kernel_t: int, stride: int = 1) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv3d(
                in_channels, 4 * width, kernel_size=1, stride=(1, stride, stride), bias=False
            ),
            nn.BatchNorm3d(4 * width),
        )
        self.conv1 = nn.Conv3d(
            in_channels,
            width,
            kernel_size=(kernel_t, 1, 1),
            padding=(kernel_t // 2, 0, 0),
            bias=False,
        )
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(
            width,
            width,
            kernel_size=(1, 3, 3),
            stride=(1, stride, stride),
            padding=(0, 1, 1),
            bias=False,
        )
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class Bottleneck(nn.Module):
    """Bottleneck residual block."""

    def __init__(self, width: int, kernel_t: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(
            4 * width,
            width,
            kernel_size=(kernel_t, 1, 1),
            padding=(kernel_t // 2, 0, 0),
            bias=False,
        )
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, kernel_size=(1, 3, 3), padding=(0, 1, 1), bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class SlowR508x8(nn.Module):
    """Slow for clips of 8 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(
            3, 64, kernel_size=(1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False
        )
        self.bn1 = nn.BatchNorm3d(64)
        self.maxpool = nn.MaxPool3d(kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        self.layer1 = nn.Sequential(
            DownsampleBottleneck(64, 64, kernel_t=1),
            Bottleneck(64, kernel_t=1),
            Bottleneck(64, kernel_t=1),
        )
        self.layer2 = nn.Sequential(
            DownsampleBottleneck(256, 128, kernel_t=1, stride=2),
            *(Bottleneck(128, kernel_t=1) for _ in range(3)),
        )
        self.layer3 = nn.Sequential(
            DownsampleBottleneck(512, 256, kernel_t=3, stride=2),
            *(Bottleneck(256, kernel_t=3) for _ in range(5)),
        )
        self.layer4 = nn.Sequential(
            DownsampleBottleneck(1024, 512, kernel_t=3, stride=2),
            Bottleneck(512, kernel_t=3),
            Bottleneck(512, kernel_t=3),
        )
        self.head_pool = WindowPool((8, 7, 7))
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2048, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.contiguous(memory_format=torch.channels_last_3d)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # (N, 64, 8, 112, 112)
        x = self.maxpool(x)  # (N, 64, 8, 56, 56)
        x = self.layer1(x)  # (N, 256, 8, 56, 56)
        x = self.layer2(x)  # (N, 512, 8, 28, 28)
        x = self.layer3(x)  # (N, 1024, 8, 14, 14)
        x = self.layer4(x)  # (N, 2048, 8, 7, 7)
        x = self.head_pool(x)  # (N, 2048, 1, 1, 1)
        x = x.flatten(2).transpose(1, 2)  # (N, 1, 2048)
        x = self.dropout(x)  # (N, 1, 2048)
        x = self.fc(x)  # (N, 1, 400)
        return torch.mean(x, 1)  # (N, 400)
