"""TSM on ResNet50.

Clip (N, 3, 8, 224, 224); 24.33 M parameters, 32.70 GMACs.
Paper: Lin et al., TSM: Temporal Shift Module, ICCV 2019
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'tsm_resnet50'.
math 3edcef3efb9431d7, weights 984402b294eadd4f.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TemporalShift(nn.Module):
    """Takes the first 1/fold_div of the channels from the next frame, the second from the last.

    The ends of the clip are filled with zeros; the remaining channels stay where they are.
    """

    def __init__(self, frames: int, fold_div: int = 8) -> None:
        super().__init__()
        self.frames = frames
        self.fold_div = fold_div

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W)."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)  # (N, T, H, W, C)
        channels = clip.shape[-1]
        fold = channels // self.fold_div
        from_next, from_last, rest = torch.split(clip, [fold, fold, channels - 2 * fold], -1)
        outside = torch.zeros_like(from_next[:, :1])
        from_next = torch.cat((from_next[:, 1:], outside), 1)
        from_last = torch.cat((outside, from_last[:, :-1]), 1)
        out = torch.cat((from_next, from_last, rest), -1)
        return out.permute(0, 1, 4, 2, 3).flatten(0, 1)


class DownsampleBottleneck(nn.Module):
    """Bottleneck residual block with a projected shortcut, with a temporal shift."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv2d(in_channels, 4 * width, kernel_size=1, stride=stride, bias=False),
            nn.BatchNorm2d(4 * width),
        )
        self.shift = TemporalShift(frames=8)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = self.shift(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class Bottleneck(nn.Module):
    """Bottleneck residual block, with a temporal shift."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.shift = TemporalShift(frames=8)
        self.conv1 = nn.Conv2d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.shift(x)
        y = F.relu(self.bn1(self.conv1(y)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class TSMResNet50(nn.Module):
    """TSM for clips of 8 frames."""

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
