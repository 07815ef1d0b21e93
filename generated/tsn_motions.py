"""TSN on a quarter-width ResNet18, for the built-in data set of motions.

Clip (N, 3, 8, 48, 48); 0.70 M parameters, 0.06 GMACs.
Paper: Wang et al., Temporal Segment Networks, ECCV 2016
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'tsn_motions'.
math f6cf1f14ef2c4dbe, weights e39eeb11bf836311.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Basic(nn.Module):
    """Basic residual block."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, in_channels, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv2 = nn.Conv2d(in_channels, in_channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y.add_(x), inplace=True)


class DownsampleBasic(nn.Module):
    """Basic residual block with a projected shortcut."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv2d(in_channels, width, kernel_size=1, stride=2, bias=False),
            nn.BatchNorm2d(width),
        )
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.bn2(self.conv2(x))
        return F.relu(x.add_(shortcut), inplace=True)


class TSNMotions(nn.Module):
    """TSN for clips of 8 frames."""

    def __init__(self, num_classes: int = 12) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = nn.Sequential(Basic(16), Basic(16))
        self.layer2 = nn.Sequential(DownsampleBasic(16, 32), Basic(32))
        self.layer3 = nn.Sequential(DownsampleBasic(32, 64), Basic(64))
        self.layer4 = nn.Sequential(DownsampleBasic(64, 128), Basic(128))
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(128, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv2d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.transpose(1, 2).flatten(0, 1)  # (N*8, 3, 48, 48)
        x = x.contiguous(memory_format=torch.channels_last)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # (N*8, 16, 24, 24)
        x = self.maxpool(x)  # (N*8, 16, 12, 12)
        x = self.layer1(x)  # (N*8, 16, 12, 12)
        x = self.layer2(x)  # (N*8, 32, 6, 6)
        x = self.layer3(x)  # (N*8, 64, 3, 3)
        x = self.layer4(x)  # (N*8, 128, 2, 2)
        x = x.mean((-2, -1))  # (N*8, 128)
        x = self.dropout(x)  # (N*8, 128)
        x = self.fc(x)  # (N*8, 12)
        return torch.unflatten(x, 0, (-1, 8)).mean(1)  # (N, 12)
