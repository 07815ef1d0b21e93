"""TSN on InceptionV1.

Clip (N, 3, 8, 224, 224); 6.01 M parameters, 11.98 GMACs.
Paper: Wang et al., Temporal Segment Networks, ECCV 2016
Paper: Szegedy et al., Going Deeper with Convolutions, CVPR 2015

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'tsn_inceptionv1'.
math 3fe281b5ebcb2736, weights 89bd06060b569771.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvUnit(nn.Module):
    """Convolution, batch norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size=kernel,
            stride=stride,
            padding=kernel // 2,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


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
        self.branch1 = ConvUnit(in_channels, branch1, kernel=1)
        self.branch2 = nn.Sequential(
            ConvUnit(in_channels, reduce2, kernel=1), ConvUnit(reduce2, branch2, kernel=3)
        )
        self.branch3 = nn.Sequential(
            ConvUnit(in_channels, reduce3, kernel=1), ConvUnit(reduce3, branch3, kernel=3)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            ConvUnit(in_channels, branch4, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        branch1 = self.branch1(x)
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        branch4 = self.branch4(x)
        return torch.cat([branch1, branch2, branch3, branch4], dim=1)


class TSNInceptionV1(nn.Module):
    """TSN for clips of 8 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = ConvUnit(3, 64, kernel=7, stride=2)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.conv2 = ConvUnit(64, 64, kernel=1)
        self.conv3 = ConvUnit(64, 192, kernel=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(kernel_size=2, ceil_mode=True)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.dropout = nn.Dropout(0.2)
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
        x = self.inception3b(x)  # (N*8, 480, 28, 28)
        x = self.maxpool3(x)  # (N*8, 480, 14, 14)
        x = self.inception4a(x)  # (N*8, 512, 14, 14)
        x = self.inception4b(x)  # (N*8, 512, 14, 14)
        x = self.inception4c(x)  # (N*8, 512, 14, 14)
        x = self.inception4d(x)  # (N*8, 528, 14, 14)
        x = self.inception4e(x)  # (N*8, 832, 14, 14)
        x = self.maxpool4(x)  # (N*8, 832, 7, 7)
        x = self.inception5a(x)  # (N*8, 832, 7, 7)
        x = self.inception5b(x)  # (N*8, 1024, 7, 7)
        x = x.mean((-2, -1))  # (N*8, 1024)
        x = self.dropout(x)  # (N*8, 1024)
        x = self.fc(x)  # (N*8, 400)
        return torch.unflatten(x, 0, (-1, 8)).mean(1)  # (N, 400)
