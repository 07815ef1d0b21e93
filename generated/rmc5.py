"""rMC5, 2D convolutions below stage 5 and 3D from it on; ResNet18 by default.

Clip (N, 3, 16, 112, 112); 27.90 M parameters, 30.79 GMACs.
Paper: Tran et al., A Closer Look at Spatiotemporal Convolutions, CVPR 2018
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'rmc5'.
math 2cf4528065bccd63, weights 5cf3ef2fc7051146.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Basic(nn.Module):
    """Basic residual block."""

    def __init__(self, in_channels: int, kernel_t: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(
            in_channels,
            in_channels,
            kernel_size=(kernel_t, 3, 3),
            padding=(kernel_t // 2, 1, 1),
            bias=False,
        )
        self.bn1 = nn.BatchNorm3d(in_channels, eps=0.001)
        self.conv2 = nn.Conv3d(
            in_channels,
            in_channels,
            kernel_size=(kernel_t, 3, 3),
            padding=(kernel_t // 2, 1, 1),
            bias=False,
        )
        self.bn2 = nn.BatchNorm3d(in_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y.add_(x), inplace=True)


class DownsampleBasic(nn.Module):
    """Basic residual block with a projected shortcut."""

    def __init__(self, in_channels: int, width: int, stride_t: int, kernel_t: int) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv3d(in_channels, width, kernel_size=1, stride=(stride_t, 2, 2), bias=False),
            nn.BatchNorm3d(width, eps=0.001),
        )
        self.conv1 = nn.Conv3d(
            in_channels,
            width,
            kernel_size=(kernel_t, 3, 3),
            stride=(stride_t, 2, 2),
            padding=(kernel_t // 2, 1, 1),
            bias=False,
        )
        self.bn1 = nn.BatchNorm3d(width, eps=0.001)
        self.conv2 = nn.Conv3d(
            width, width, kernel_size=(kernel_t, 3, 3), padding=(kernel_t // 2, 1, 1), bias=False
        )
        self.bn2 = nn.BatchNorm3d(width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.bn2(self.conv2(x))
        return F.relu(x.add_(shortcut), inplace=True)


class RMC5(nn.Module):
    """rMC5 for clips of 16 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(
            3, 64, kernel_size=(1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False
        )
        self.bn1 = nn.BatchNorm3d(64, eps=0.001)
        self.layer1 = nn.Sequential(Basic(64, kernel_t=1), Basic(64, kernel_t=1))
        self.layer2 = nn.Sequential(
            DownsampleBasic(64, 128, stride_t=1, kernel_t=1), Basic(128, kernel_t=1)
        )
        self.layer3 = nn.Sequential(
            DownsampleBasic(128, 256, stride_t=1, kernel_t=1), Basic(256, kernel_t=1)
        )
        self.layer4 = nn.Sequential(
            DownsampleBasic(256, 512, stride_t=2, kernel_t=3), Basic(512, kernel_t=3)
        )
        self.fc = nn.Linear(512, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.contiguous(memory_format=torch.channels_last_3d)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # (N, 64, 16, 56, 56)
        x = self.layer1(x)  # (N, 64, 16, 56, 56)
        x = self.layer2(x)  # (N, 128, 16, 28, 28)
        x = self.layer3(x)  # (N, 256, 16, 14, 14)
        x = self.layer4(x)  # (N, 512, 8, 7, 7)
        x = x.mean((-2, -1)).transpose(1, 2)  # (N, 8, 512)
        x = torch.mean(x, 1)  # (N, 512)
        out: Tensor = self.fc(x)  # (N, 400)
        return out  # (N, 400)
