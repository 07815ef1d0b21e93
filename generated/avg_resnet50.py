"""Avg on ResNet50.

Clip (N, 3, 8, 224, 224); 24.33 M parameters, 32.70 GMACs.
Paper: Chen et al., Deep Analysis of CNN-based Spatio-temporal Representations, CVPR 2021
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'avg_resnet50'.
math cfb272194566fe0b, weights 984402b294eadd4f.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TemporalAvgPool(nn.Module):
    """Average over windows of frames; frames of padding are zeros, and count.

    Sums of frames run in every dtype and keep channels-last memory; avg_pool3d does neither.
    """

    def __init__(self, frames: int, kernel: int = 3, stride: int = 2, padding: int = 1) -> None:
        super().__init__()
        self.frames = frames
        self.kernel = kernel
        self.starts = range(-padding, frames + padding - kernel + 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T', C, H, W)."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)  # (N, T, H, W, C)
        frames = clip.unbind(1)
        windows = [frames[max(start, 0) : start + self.kernel] for start in self.starts]
        sums = [sum(window[1:], window[0]) for window in windows]
        out = torch.stack(sums, 1) / self.kernel
        return out.permute(0, 1, 4, 2, 3).flatten(0, 1)


class DownsampleBottleneck(nn.Module):
    """Bottleneck residual block with a projected shortcut, with avg."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv2d(in_channels, 4 * width, kernel_size=1, stride=stride, bias=False),
            nn.BatchNorm2d(4 * width),
        )
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.avg = TemporalAvgPool(8, stride=1)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.avg(x)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class Bottleneck(nn.Module):
    """Bottleneck residual block, with avg."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.avg = TemporalAvgPool(8, stride=1)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.avg(y)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class AvgResNet50(nn.Module):
    """Avg for clips of 8 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = nn.Sequential(DownsampleBottleneck(64, 64), Bottleneck(64), Bottleneck(64))
        self.layer2 = nn.Sequential(
            DownsampleBottleneck(256, 128, stride=2), *(Bottleneck(128) for _ in range(3))
        )
        self.layer3 = nn.Sequential(
            DownsampleBottleneck(512, 256, stride=2), *(Bottleneck(256) for _ in range(5))
        )
        self.layer4 = nn.Sequential(
            DownsampleBottleneck(1024, 512, stride=2), Bottleneck(512), Bottleneck(512)
        )
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2048, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv2d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.transpose(1, 2).flatten(0, 1)  # (N*8, 3, 224, 224)
        x = x.contiguous(memory_format=torch.channels_last)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # (N*8, 64, 112, 112)
        x = self.maxpool(x)  # (N*8, 64, 56, 56)
        x = self.layer1(x)  # (N*8, 256, 56, 56)
        x = self.layer2(x)  # (N*8, 512, 28, 28)
        x = self.layer3(x)  # (N*8, 1024, 14, 14)
        x = self.layer4(x)  # (N*8, 2048, 7, 7)
        x = x.mean((-2, -1))  # (N*8, 2048)
        x = self.dropout(x)  # (N*8, 2048)
        x = self.fc(x)  # (N*8, 400)
        return torch.unflatten(x, 0, (-1, 8)).mean(1)  # (N, 400)
