"""R2D, all frames folded into the stem's channels; ResNet18 by default.

Clip (N, 3, 16, 112, 112); 11.52 M parameters, 2.17 GMACs.
Paper: Tran et al., A Closer Look at Spatiotemporal Convolutions, CVPR 2018
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'r2d'.
math c2053fd7d949a2a1, weights b3ca37c711ce887a.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def fold_time(clip: Tensor) -> Tensor:
    """Fold time into the batch: (N, C, T, H, W) to (N*T, C, H, W)."""
    return clip.transpose(1, 2).flatten(0, 1)


class Basic(nn.Module):
    """Basic residual block."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, in_channels, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels, eps=0.001)
        self.conv2 = nn.Conv2d(in_channels, in_channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(in_channels, eps=0.001)

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
            nn.BatchNorm2d(width, eps=0.001),
        )
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, eps=0.001)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.bn2(self.conv2(x))
        return F.relu(x.add_(shortcut), inplace=True)


class R2D(nn.Module):
    """R2D for clips of 16 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(
            3, 64, kernel_size=(16, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False
        )
        self.bn1 = nn.BatchNorm3d(64, eps=0.001)
        self.layer1 = nn.Sequential(Basic(64), Basic(64))
        self.layer2 = nn.Sequential(DownsampleBasic(64, 128), Basic(128))
        self.layer3 = nn.Sequential(DownsampleBasic(128, 256), Basic(256))
        self.layer4 = nn.Sequential(DownsampleBasic(256, 512), Basic(512))
        self.fc = nn.Linear(512, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv2d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last)
            elif type(module) is nn.Conv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.contiguous(memory_format=torch.channels_last_3d)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # (N, 64, 1, 56, 56)
        x = self.layer1(fold_time(x))  # (N*1, 64, 56, 56)
        x = self.layer2(x)  # (N*1, 128, 28, 28)
        x = self.layer3(x)  # (N*1, 256, 14, 14)
        x = self.layer4(x)  # (N*1, 512, 7, 7)
        x = x.mean((-2, -1))  # (N*1, 512)
        x = torch.unflatten(x, 0, (-1, 1)).mean(1)  # (N, 512)
        out: Tensor = self.fc(x)  # (N, 400)
        return out  # (N, 400)
