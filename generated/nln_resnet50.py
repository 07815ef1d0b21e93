"""NLN on ResNet50.

Clip (N, 3, 8, 224, 224); 31.68 M parameters, 61.10 GMACs.
Paper: Wang et al., Non-local Neural Networks, CVPR 2018
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'nln_resnet50'.
math 92c03ae32cf27298, weights 6e146042c73eede3.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def to_frames(x: Tensor, height: int, width: int) -> Tensor:
    """(N, T*H*W, C) -> (N*T, C, H, W)."""
    return x.reshape(-1, height, width, x.shape[2]).permute(0, 3, 1, 2)


def to_positions(x: Tensor, frames: int) -> Tensor:
    """(N*T, C, H, W) -> (N, T*H*W, C)."""
    clips: Tensor = torch.unflatten(x, 0, (-1, frames)).permute(0, 1, 3, 4, 2)
    return clips.flatten(1, 3)


class SoftmaxAttention(nn.Module):
    """y_i = sum_j softmax_j(scale * theta_i . phi_j) g_j, the (embedded) Gaussian."""

    def __init__(self, frames: int, scale: float = 1.0, key_frames: int | None = None) -> None:
        super().__init__()
        self.frames = frames
        self.key_frames = key_frames or frames
        self.scale = scale

    def forward(self, theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        """Join theta, phi and g; memory N*P*Q."""
        queries = to_positions(theta, self.frames)
        keys = to_positions(phi, self.key_frames) * self.scale
        weights = torch.bmm(queries, keys.transpose(1, 2)).softmax(-1)  # (N, P, Q)
        y = torch.bmm(weights, to_positions(g, self.key_frames))
        return to_frames(y, theta.shape[2], theta.shape[3])


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


class NonLocal(nn.Module):
    """Non-local block: every position attends to all positions of the clip."""

    def __init__(self, in_channels: int, inner: int) -> None:
        super().__init__()
        self.theta = nn.Conv2d(in_channels, inner, kernel_size=1)
        self.phi = nn.Conv2d(in_channels, inner, kernel_size=1)
        self.g = nn.Conv2d(in_channels, inner, kernel_size=1)
        self.pool_phi = nn.MaxPool2d(kernel_size=2)
        self.pool_g = nn.MaxPool2d(kernel_size=2)
        self.attention = SoftmaxAttention(frames=8)
        self.out = nn.Conv2d(inner, in_channels, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm2d(in_channels)
        nn.init.zeros_(self.bn.weight)

    def forward(self, x: Tensor) -> Tensor:
        theta = self.theta(x)
        phi = self.phi(x)
        g = self.g(x)
        phi = self.pool_phi(phi)
        g = self.pool_g(g)
        y = self.attention(theta, phi, g)
        y = self.bn(self.out(y))
        out: Tensor = x + y
        return out


class NonLocalDownsampleBottleneck(nn.Module):
    """Bottleneck residual block with a projected shortcut, with a non-local block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv2d(2 * width, 4 * width, kernel_size=1, stride=2, bias=False),
            nn.BatchNorm2d(4 * width),
        )
        self.conv1 = nn.Conv2d(2 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.nl = NonLocal(4 * width, inner=2 * width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        x = F.relu(x.add_(shortcut), inplace=True)
        out: Tensor = self.nl(x)
        return out


class NonLocalBottleneck(nn.Module):
    """Bottleneck residual block, with a non-local block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.nl = NonLocal(4 * width, inner=2 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        x = F.relu(y.add_(x), inplace=True)
        out: Tensor = self.nl(x)
        return out


class NLNResNet50(nn.Module):
    """NLN for clips of 8 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = nn.Sequential(DownsampleBottleneck(64, 64), Bottleneck(64), Bottleneck(64))
        self.layer2 = nn.Sequential(
            NonLocalDownsampleBottleneck(128),
            Bottleneck(128),
            NonLocalBottleneck(128),
            Bottleneck(128),
        )
        self.layer3 = nn.Sequential(
            NonLocalDownsampleBottleneck(256),
            Bottleneck(256),
            NonLocalBottleneck(256),
            Bottleneck(256),
            NonLocalBottleneck(256),
            Bottleneck(256),
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
