"""TIN on ResNet50.

Clip (N, 3, 8, 224, 224); 24.36 M parameters, 32.70 GMACs.
Paper: Shao et al., Temporal Interlacing Network, AAAI 2020
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'tin_resnet50'.
math 2edbc86956d528bc, weights 310cf1d4f7f79620.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TemporalInterlacing(nn.Module):
    """Moves groups of the first 1/fold_div of the channels in time, by a fraction of frames.

    Every clip has its own offsets, between -reach and reach frames, and scales for every frame.
    Each offset moves one group forth and another one back; they begin at half a frame.
    """

    def __init__(
        self, channels: int, frames: int, fold_div: int = 4, offsets: int = 2, reach: int = 2
    ) -> None:
        super().__init__()
        self.frames = frames
        self.moved = channels // fold_div
        self.reach = reach
        self.offset_conv = nn.Conv1d(self.moved, 1, kernel_size=3, padding=1)
        self.offset_fc1 = nn.Linear(frames, frames)
        self.offset_fc2 = nn.Linear(frames, offsets)
        self.scale_conv = nn.Conv1d(self.moved, offsets, kernel_size=3, padding=1)
        _, scale_bias = self.scale_conv.parameters()
        nn.init.zeros_(scale_bias)
        nn.init.constant_(self.offset_fc2.bias, (2 * reach + 1) / (2 * reach - 1))
        self.offset_fc2.bias.data.log_()  # whose sigmoid makes an offset of 1/2

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)  # (N, T, H, W, C)
        first, rest = torch.split(clip, [self.moved, clip.shape[-1] - self.moved], -1)
        pooled = first.mean((2, 3)).transpose(1, 2)  # (N, moved, T)
        inner = F.relu(self.offset_fc1(self.offset_conv(pooled).squeeze(1)))
        offset = 2 * self.reach * (torch.sigmoid(self.offset_fc2(inner)) - 0.5)
        offset = torch.cat((offset, -offset), 1)  # (N, groups)
        scale = 2 * torch.sigmoid(self.scale_conv(pooled)).transpose(1, 2)  # (N, T, offsets)
        scale = torch.cat((scale, scale), 2)

        group = self.moved // offset.shape[1]
        offset = offset.repeat_interleave(group, 1)[:, None, None, None]  # (N, 1, 1, 1, moved)
        scale = scale.repeat_interleave(group, 2)[:, :, None, None]  # (N, T, 1, 1, moved)
        padded = F.pad(first, (0, 0, 0, 0, 0, 0, self.reach, self.reach))
        moved = torch.zeros_like(first)
        for i in range(2 * self.reach + 1):
            # Linear interpolation: a frame counts the less the farther it is, up to one frame.
            near = F.relu(1 - (offset + i - self.reach).abs())
            moved = moved + near * padded[:, i : i + self.frames]
        out = torch.cat((moved * scale, rest), -1)
        return out.permute(0, 1, 4, 2, 3).flatten(0, 1)


class DownsampleBottleneck(nn.Module):
    """Bottleneck residual block with a projected shortcut, with temporal interlacing."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv2d(in_channels, 4 * width, kernel_size=1, stride=stride, bias=False),
            nn.BatchNorm2d(4 * width),
        )
        self.interlace = TemporalInterlacing(in_channels, frames=8)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = self.interlace(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class Bottleneck(nn.Module):
    """Bottleneck residual block, with temporal interlacing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.interlace = TemporalInterlacing(4 * width, frames=8)
        self.conv1 = nn.Conv2d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.interlace(x)
        y = F.relu(self.bn1(self.conv1(y)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class TINResNet50(nn.Module):
    """TIN for clips of 8 frames."""

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
        self.dropout = nn.Dropout(0.8)
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
