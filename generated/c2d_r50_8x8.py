"""C2D on ResNet50, 8 frames with a stride of 8.

Clip (N, 3, 8, 224, 224); 24.33 M parameters, 19.49 GMACs.
Paper: Wang et al., Non-local Neural Networks, CVPR 2018
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'c2d_r50_8x8'.
math 91b8c519fc5abb47, weights 3fae1f166205b890.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def unfold_time(frames: Tensor, length: int) -> Tensor:
    """Unfold time from the batch: (N*T, C, H, W) to (N, C, T, H, W)."""
    return torch.unflatten(frames, 0, (-1, length)).transpose(1, 2)


class TemporalMaxPool(nn.Module):
    """Maximum over windows of frames."""

    def __init__(self, frames: int, kernel: int = 3, stride: int = 2, padding: int = 1) -> None:
        super().__init__()
        self.frames = frames
        self.kernel = kernel
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T', C, H, W)."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).transpose(1, 2)  # (N, C, T, H, W)
        # Asked for indices as well, max_pool3d stays in bfloat16 under autocast.
        out, _ = F.max_pool3d(
            clip,
            (self.kernel, 1, 1),
            (self.stride, 1, 1),
            (self.padding, 0, 0),
            return_indices=True,
        )
        return out.transpose(1, 2).flatten(0, 1)


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
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class Bottleneck(nn.Module):
    """Bottleneck residual block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class C2DR508x8(nn.Module):
    """C2D for clips of 8 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = nn.Sequential(DownsampleBottleneck(64, 64), Bottleneck(64), Bottleneck(64))
        self.t_pool1 = TemporalMaxPool(8, kernel=2, padding=0)
        self.layer2 = nn.Sequential(
            DownsampleBottleneck(256, 128, stride=2), *(Bottleneck(128) for _ in range(3))
        )
        self.layer3 = nn.Sequential(
            DownsampleBottleneck(512, 256, stride=2), *(Bottleneck(256) for _ in range(5))
        )
        self.layer4 = nn.Sequential(
            DownsampleBottleneck(1024, 512, stride=2), Bottleneck(512), Bottleneck(512)
        )
        self.head_pool = WindowPool((4, 7, 7))
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
        x = self.t_pool1(x)  # (N*4, 256, 56, 56)
        x = self.layer2(x)  # (N*4, 512, 28, 28)
        x = self.layer3(x)  # (N*4, 1024, 14, 14)
        x = self.layer4(x)  # (N*4, 2048, 7, 7)
        x = self.head_pool(unfold_time(x, 4))  # (N, 2048, 1, 1, 1)
        x = x.flatten(2).transpose(1, 2)  # (N, 1, 2048)
        x = self.dropout(x)  # (N, 1, 2048)
        x = self.fc(x)  # (N, 1, 400)
        return torch.mean(x, 1)  # (N, 400)
