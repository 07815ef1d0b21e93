"""ECO Lite, 2D convolutions that turn 3D midway, on 16 frames.

Clip (N, 3, 16, 224, 224); 37.50 M parameters, 46.49 GMACs.
Paper: Zolfaghari et al., ECO: Efficient Convolutional Network for Online Video Understanding,
    ECCV 2018

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'eco_lite'.
math e43dec81949ed0a4, weights 37cb6922bd0bcbd0.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def unfold_time(frames: Tensor, length: int) -> Tensor:
    """Unfold time from the batch: (N*T, C, H, W) to (N, C, T, H, W)."""
    return torch.unflatten(frames, 0, (-1, length)).transpose(1, 2)


def cpu_precision(clip: Tensor) -> torch.dtype | None:
    """Return the type in which a CPU that has oneDNN convolves a clip, under autocast or without.

    None elsewhere, and while operators are compiled, traced or counted: who does so knows
    PyTorch's own convolution.
    """
    if torch.compiler.is_compiling() or isinstance(clip, torch.fx.Proxy) or torch._C._is_tracing():
        return None
    is_counted = torch._C._len_torch_dispatch_stack() > 0
    if is_counted or not clip.is_cpu or not torch._C._has_mkldnn:
        return None
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else clip.dtype


def may_miss_onednn(clip: Tensor) -> bool:
    """Tell whether PyTorch's own choice may be another than oneDNN, which is the faster."""
    if cpu_precision(clip) != torch.float32:
        return False
    return clip.shape[0] == 1 or torch.get_num_threads() == 1


def is_faster_as_product(conv: nn.Conv3d, clip: Tensor) -> bool:
    """Tell whether a convolution is faster as a product of matrices, its backward pass included."""
    if conv.kernel_size != (1, 1, 1) or conv.groups > 1 or conv.padding != (0, 0, 0):
        return False
    if cpu_precision(clip) == torch.bfloat16:
        return clip[:, 0].numel() <= 10_000
    if not may_miss_onednn(clip) or not torch.is_grad_enabled():
        return False
    # Its bound for one clip; by one thread it passes over all that have no stride.
    is_alone = conv.stride == (1, 1, 1) and torch.get_num_threads() == 1
    return is_alone or clip[..., 0].numel() <= 20_480


class Conv3d(nn.Conv3d):
    """nn.Conv3d as a product of matrices or by oneDNN, where PyTorch's own choice is slower."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C', T', H', W')."""
        if is_faster_as_product(self, input):
            t, h, w = self.stride
            met = input.permute(0, 2, 3, 4, 1)[:, ::t, ::h, ::w]  # (N, T', H', W', C)
            rows = F.linear(met.flatten(0, 3), self.weight.flatten(1), self.bias)
            return rows.view(*met.shape[:4], self.out_channels).permute(0, 4, 1, 2, 3)
        if not may_miss_onednn(input):
            return super().forward(input)
        padding = [int(side) for side in self.padding]
        return torch.mkldnn_convolution(
            input, self.weight, self.bias, padding, self.stride, self.dilation, self.groups
        )


class ConvUnit(nn.Module):
    """Convolution, batch norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size=kernel, stride=stride, padding=kernel // 2
        )
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class PreactivationBasic(nn.Module):
    """Residual block, norms first."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm3d(in_channels)
        self.conv1 = Conv3d(in_channels, in_channels, kernel_size=3, padding=1)
        self.bn2 = nn.BatchNorm3d(in_channels)
        self.conv2 = Conv3d(in_channels, in_channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(x), inplace=True)
        y = F.relu(self.bn2(self.conv1(y)), inplace=True)
        y = self.conv2(y)
        out: Tensor = y + x
        return out


class DownsamplePreactivationBasic(nn.Module):
    """Residual block, norms first, its shortcut projected."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm3d(in_channels)
        self.downsample = nn.Sequential(
            Conv3d(in_channels, width, kernel_size=3, stride=2, padding=1)
        )
        self.conv1 = Conv3d(in_channels, width, kernel_size=3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv2 = Conv3d(width, width, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(x), inplace=True)
        shortcut = self.downsample(x)
        x = F.relu(self.bn2(self.conv1(x)), inplace=True)
        x = self.conv2(x)
        out: Tensor = x + shortcut
        return out


class Inception(nn.Module):
    """Inception module."""

    def __init__(self, in_channels: int, branch2: int, branch4: int) -> None:
        super().__init__()
        self.branch1 = ConvUnit(in_channels, 64, kernel=1)
        self.branch2 = nn.Sequential(
            ConvUnit(in_channels, 64, kernel=1), ConvUnit(64, branch2, kernel=3)
        )
        self.branch3 = nn.Sequential(
            ConvUnit(in_channels, 64, kernel=1),
            ConvUnit(64, 96, kernel=3),
            ConvUnit(96, 96, kernel=3),
        )
        self.branch4 = nn.Sequential(
            nn.AvgPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            ConvUnit(in_channels, branch4, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        branch1 = self.branch1(x)
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        branch4 = self.branch4(x)
        return torch.cat([branch1, branch2, branch3, branch4], dim=1)


class ECOLite(nn.Module):
    """ECO Lite for clips of 16 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = ConvUnit(3, 64, kernel=7, stride=2)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.conv2 = ConvUnit(64, 64, kernel=1)
        self.conv3 = ConvUnit(64, 192, kernel=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, 32)
        self.inception3b = Inception(256, 96, 64)
        self.reduce = ConvUnit(320, 64, kernel=1)
        self.mid = ConvUnit(64, 96, kernel=3)
        self.res3_conv = Conv3d(96, 128, kernel_size=3, padding=1)
        self.res3 = nn.Sequential(PreactivationBasic(128))
        self.res4 = nn.Sequential(DownsamplePreactivationBasic(128, 256), PreactivationBasic(256))
        self.res5 = nn.Sequential(DownsamplePreactivationBasic(256, 512), PreactivationBasic(512))
        self.norm = nn.BatchNorm3d(512)
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(512, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv2d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last)
            elif type(module) is Conv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.transpose(1, 2).flatten(0, 1)  # (N*16, 3, 224, 224)
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.conv1(x)  # (N*16, 64, 112, 112)
        x = self.maxpool1(x)  # (N*16, 64, 56, 56)
        x = self.conv2(x)  # (N*16, 64, 56, 56)
        x = self.conv3(x)  # (N*16, 192, 56, 56)
        x = self.maxpool2(x)  # (N*16, 192, 28, 28)
        x = self.inception3a(x)  # (N*16, 256, 28, 28)
        x = self.inception3b(x)  # (N*16, 320, 28, 28)
        x = self.reduce(x)  # (N*16, 64, 28, 28)
        x = self.mid(x)  # (N*16, 96, 28, 28)
        x = self.res3_conv(unfold_time(x, 16))  # (N, 128, 16, 28, 28)
        x = self.res3(x)  # (N, 128, 16, 28, 28)
        x = self.res4(x)  # (N, 256, 8, 14, 14)
        x = F.relu(self.norm(self.res5(x)), inplace=True)  # (N, 512, 4, 7, 7)
        x = x.mean((-2, -1)).transpose(1, 2)  # (N, 4, 512)
        x = torch.mean(x, 1)  # (N, 512)
        x = self.dropout(x)  # (N, 512)
        out: Tensor = self.fc(x)  # (N, 400)
        return out  # (N, 400)
