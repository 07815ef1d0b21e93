"""SlowFast with ResNet101, 16 frames beside 64.

Clip (N, 3, 64, 224, 224); 53.77 M parameters, 163.09 GMACs.
Paper: Feichtenhofer et al., SlowFast Networks for Video Recognition, ICCV 2019
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'slowfast_r101_16x8'.
math 148c94574f0da77d, weights e53e5ebe2fe82e74.
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


class TemporalLateral(nn.Module):
    """Temporal lateral."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(
            in_channels,
            out_channels,
            kernel_size=(5, 1, 1),
            stride=(4, 1, 1),
            padding=(2, 0, 0),
            bias=False,
        )
        self.bn = nn.BatchNorm3d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


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


class SlowFastR10116x8(nn.Module):
    """SlowFast for clips of 64 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(
            3, 64, kernel_size=(1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False
        )
        self.bn1 = nn.BatchNorm3d(64)
        self.maxpool = nn.MaxPool3d(kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        self.fast_conv1 = nn.Conv3d(
            3, 8, kernel_size=(5, 7, 7), stride=(1, 2, 2), padding=(2, 3, 3), bias=False
        )
        self.fast_bn1 = nn.BatchNorm3d(8)
        self.fast_maxpool = nn.MaxPool3d(kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        self.fusion1 = TemporalLateral(8, 16)
        self.layer1 = nn.Sequential(
            DownsampleBottleneck(80, 64, kernel_t=1),
            Bottleneck(64, kernel_t=1),
            Bottleneck(64, kernel_t=1),
        )
        self.fast_layer1 = nn.Sequential(
            DownsampleBottleneck(8, 8, kernel_t=3),
            Bottleneck(8, kernel_t=3),
            Bottleneck(8, kernel_t=3),
        )
        self.fusion2 = TemporalLateral(32, 64)
        self.layer2 = nn.Sequential(
            DownsampleBottleneck(320, 128, kernel_t=1, stride=2),
            *(Bottleneck(128, kernel_t=1) for _ in range(3)),
        )
        self.fast_layer2 = nn.Sequential(
            DownsampleBottleneck(32, 16, kernel_t=3, stride=2),
            *(Bottleneck(16, kernel_t=3) for _ in range(3)),
        )
        self.fusion3 = TemporalLateral(64, 128)
        self.layer3 = nn.Sequential(
            DownsampleBottleneck(640, 256, kernel_t=3, stride=2),
            *(Bottleneck(256, kernel_t=3) for _ in range(5)),
            *(Bottleneck(256, kernel_t=1) for _ in range(17)),
        )
        self.fast_layer3 = nn.Sequential(
            DownsampleBottleneck(64, 32, kernel_t=3, stride=2),
            *(Bottleneck(32, kernel_t=3) for _ in range(5)),
            *(Bottleneck(32, kernel_t=1) for _ in range(17)),
        )
        self.fusion4 = TemporalLateral(128, 256)
        self.layer4 = nn.Sequential(
            DownsampleBottleneck(1280, 512, kernel_t=3, stride=2),
            Bottleneck(512, kernel_t=3),
            Bottleneck(512, kernel_t=3),
        )
        self.fast_layer4 = nn.Sequential(
            DownsampleBottleneck(128, 64, kernel_t=3, stride=2),
            Bottleneck(64, kernel_t=3),
            Bottleneck(64, kernel_t=3),
        )
        self.head_pool = WindowPool((16, 7, 7))
        self.head_pool2 = WindowPool((64, 7, 7))
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2304, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        clip = clip.contiguous(memory_format=torch.channels_last_3d)
        x = clip[
            :, :, [0, 4, 8, 12, 16, 21, 25, 29, 33, 37, 42, 46, 50, 54, 58, 63]
        ]  # (N, 3, 16, 224, 224)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # (N, 64, 16, 112, 112)
        x = self.maxpool(x)  # (N, 64, 16, 56, 56)
        fast = F.relu(self.fast_bn1(self.fast_conv1(clip)), inplace=True)  # (N, 8, 64, 112, 112)
        fast = self.fast_maxpool(fast)  # (N, 8, 64, 56, 56)
        fusion = self.fusion1(fast)  # (N, 16, 16, 56, 56)
        x = torch.cat([x, fusion], dim=1)  # (N, 80, 16, 56, 56)
        x = self.layer1(x)  # (N, 256, 16, 56, 56)
        fast = self.fast_layer1(fast)  # (N, 32, 64, 56, 56)
        fusion = self.fusion2(fast)  # (N, 64, 16, 56, 56)
        x = torch.cat([x, fusion], dim=1)  # (N, 320, 16, 56, 56)
        x = self.layer2(x)  # (N, 512, 16, 28, 28)
        fast = self.fast_layer2(fast)  # (N, 64, 64, 28, 28)
        fusion = self.fusion3(fast)  # (N, 128, 16, 28, 28)
        x = torch.cat([x, fusion], dim=1)  # (N, 640, 16, 28, 28)
        x = self.layer3(x)  # (N, 1024, 16, 14, 14)
        fast = self.fast_layer3(fast)  # (N, 128, 64, 14, 14)
        fusion = self.fusion4(fast)  # (N, 256, 16, 14, 14)
        x = torch.cat([x, fusion], dim=1)  # (N, 1280, 16, 14, 14)
        x = self.layer4(x)  # (N, 2048, 16, 7, 7)
        fast = self.fast_layer4(fast)  # (N, 256, 64, 7, 7)
        head_pool = self.head_pool(x)  # (N, 2048, 1, 1, 1)
        head_pool2 = self.head_pool2(fast)  # (N, 256, 1, 1, 1)
        x = torch.cat([head_pool, head_pool2], dim=1)  # (N, 2304, 1, 1, 1)
        x = x.flatten(2).transpose(1, 2)  # (N, 1, 2304)
        x = self.dropout(x)  # (N, 1, 2304)
        x = self.fc(x)  # (N, 1, 400)
        return torch.mean(x, 1)  # (N, 400)
