"""CorrNet with 50 layers.

Clip (N, 3, 32, 224, 224); 50.64 M parameters, 243.45 GMACs.
Paper: Wang et al., Video Modeling with Correlation Networks, CVPR 2020
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'corrnet_50'.
math 0d30f2123149762c, weights e41de6524c6ac616.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Correlation(nn.Module):
    """Means over groups of channels of weight * previous frame * current frame at an offset.

    Offsets go row by row, from dilation * (kernel // 2) up and left to as far down and right;
    beyond the border lie zeros. The first frame is correlated with itself.
    """

    def __init__(
        self, channels: int, frames: int, kernel: int = 7, dilation: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.dilation = dilation
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(channels, frames, kernel, kernel))
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, kernel * kernel * groups, T, H, W)."""
        height, width = x.shape[-2:]
        kernel = self.weight.shape[-1]
        weight = self.weight.to(x.dtype)
        previous = torch.cat((x[:, :, :1], x[:, :, :-1]), 2)
        padded = F.pad(x, (self.dilation * (kernel // 2),) * 4)
        responses = []
        for i in range(kernel):
            for j in range(kernel):
                top, left = i * self.dilation, j * self.dilation
                current = padded[..., top : top + height, left : left + width]
                product = previous * current * weight[:, :, i, j, None, None]
                responses.append(torch.unflatten(product, 1, (self.groups, -1)).mean(2))
        return torch.cat(responses, 1)


class DownsampleBottleneck(nn.Module):
    """Bottleneck residual block with a projected shortcut, separable over space and time."""

    def __init__(
        self, in_channels: int, width: int, stride_t: int, conv2_out_channels: int
    ) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv3d(in_channels, 4 * width, kernel_size=1, stride=(stride_t, 2, 2), bias=False),
            nn.BatchNorm3d(4 * width),
        )
        self.conv1 = nn.Conv3d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(
            width, conv2_out_channels, kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)
        )
        self.bn2 = nn.BatchNorm3d(conv2_out_channels)
        self.conv2_t = nn.Conv3d(
            conv2_out_channels,
            width,
            kernel_size=(3, 1, 1),
            stride=(stride_t, 1, 1),
            padding=(1, 0, 0),
        )
        self.bn2_t = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = F.relu(self.bn2_t(self.conv2_t(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class SeparableBottleneck(nn.Module):
    """Bottleneck residual block, separable over space and time."""

    def __init__(self, out_channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, out_channels, kernel_size=(1, 3, 3), padding=(0, 1, 1))
        self.bn2 = nn.BatchNorm3d(out_channels)
        self.conv2_t = nn.Conv3d(out_channels, width, kernel_size=(3, 1, 1), padding=(1, 0, 0))
        self.bn2_t = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = F.relu(self.bn2_t(self.conv2_t(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class CorrelationBlock(nn.Module):
    """Correlation of reduced features with the previous frame's."""

    def __init__(self, in_channels: int, inner: int, frames: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(in_channels, inner, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(inner)
        self.correlation = Correlation(inner, frames=frames, dilation=2, groups=32)
        self.conv2 = nn.Conv3d(1568, in_channels, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm3d(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        responses = self.correlation(y)
        y = self.bn2(self.conv2(responses))
        return F.relu(x + y, inplace=True)


class CorrSeparableBottleneck(nn.Module):
    """Bottleneck residual block, with correlation, separable over space and time."""

    def __init__(self, out_channels: int, width: int, frames: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, out_channels, kernel_size=(1, 3, 3), padding=(0, 1, 1))
        self.bn2 = nn.BatchNorm3d(out_channels)
        self.conv2_t = nn.Conv3d(out_channels, width, kernel_size=(3, 1, 1), padding=(1, 0, 0))
        self.bn2_t = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)
        self.corr = CorrelationBlock(4 * width, inner=width, frames=frames)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = F.relu(self.bn2_t(self.conv2_t(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        x = F.relu(y.add_(x), inplace=True)
        out: Tensor = self.corr(x)
        return out


class CorrNet50(nn.Module):
    """CorrNet for clips of 32 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, 32, kernel_size=(1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3))
        self.bn1 = nn.BatchNorm3d(32)
        self.layer1 = nn.Sequential(
            DownsampleBottleneck(32, 64, stride_t=1, conv2_out_channels=144),
            SeparableBottleneck(144, 64),
            CorrSeparableBottleneck(144, 64, frames=32),
        )
        self.layer2 = nn.Sequential(
            DownsampleBottleneck(256, 128, stride_t=1, conv2_out_channels=288),
            SeparableBottleneck(288, 128),
            SeparableBottleneck(288, 128),
            CorrSeparableBottleneck(288, 128, frames=32),
        )
        self.layer3 = nn.Sequential(
            DownsampleBottleneck(512, 256, stride_t=2, conv2_out_channels=576),
            *(SeparableBottleneck(576, 256) for _ in range(4)),
            CorrSeparableBottleneck(576, 256, frames=16),
        )
        self.layer4 = nn.Sequential(
            DownsampleBottleneck(1024, 512, stride_t=2, conv2_out_channels=1152),
            SeparableBottleneck(1152, 512),
            SeparableBottleneck(1152, 512),
        )
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2048, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.contiguous(memory_format=torch.channels_last_3d)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # (N, 32, 32, 112, 112)
        x = self.layer1(x)  # (N, 256, 32, 56, 56)
        x = self.layer2(x)  # (N, 512, 32, 28, 28)
        x = self.layer3(x)  # (N, 1024, 16, 14, 14)
        x = self.layer4(x)  # (N, 2048, 8, 7, 7)
        x = x.mean((-2, -1)).transpose(1, 2)  # (N, 8, 2048)
        x = torch.mean(x, 1)  # (N, 2048)
        x = self.dropout(x)  # (N, 2048)
        out: Tensor = self.fc(x)  # (N, 400)
        return out  # (N, 400)
