"""3D convolutions over the maps of frames; BNInception by default.

Clip (N, 3, 8, 224, 224); 12.09 M parameters, 16.51 GMACs.
Paper: Köpüklü et al., Comparative Analysis of
    CNN-based Spatiotemporal Reasoning in
    Videos, 2020
Paper: Ioffe and Szegedy, Batch Normalization, ICML 2015

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'fcn3d'.
math cc66cc8d4d52f950, weights 6442017f88f9dfa8.
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
            ConvUnit(in_channels, reduce3, kernel=1),
            ConvUnit(reduce3, branch3, kernel=3),
            ConvUnit(branch3, branch3, kernel=3),
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


class DownsampleInception(nn.Module):
    """Inception module that halves the resolution."""

    def __init__(self, in_channels: int, branch2: int, reduce3: int, branch3: int) -> None:
        super().__init__()
        self.branch2 = nn.Sequential(
            ConvUnit(in_channels, 128, kernel=1), ConvUnit(128, branch2, kernel=3, stride=2)
        )
        self.branch3 = nn.Sequential(
            ConvUnit(in_channels, reduce3, kernel=1),
            ConvUnit(reduce3, branch3, kernel=3),
            ConvUnit(branch3, branch3, kernel=3, stride=2),
        )
        self.branch4 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        branch4 = self.branch4(x)
        return torch.cat([branch2, branch3, branch4], dim=1)


class Inception2(nn.Module):
    """Inception module."""

    def __init__(self) -> None:
        super().__init__()
        self.branch1 = ConvUnit(1024, 352, kernel=1)
        self.branch2 = nn.Sequential(ConvUnit(1024, 192, kernel=1), ConvUnit(192, 320, kernel=3))
        self.branch3 = nn.Sequential(
            ConvUnit(1024, 192, kernel=1),
            ConvUnit(192, 224, kernel=3),
            ConvUnit(224, 224, kernel=3),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            ConvUnit(1024, 128, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        branch1 = self.branch1(x)
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        branch4 = self.branch4(x)
        return torch.cat([branch1, branch2, branch3, branch4], dim=1)


class Fcn3d(nn.Module):
    """3D-FCN for clips of 8 frames."""

    def __init__(self, num_classes: int = 27) -> None:
        super().__init__()
        self.conv1 = ConvUnit(3, 64, kernel=7, stride=2)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.conv2 = ConvUnit(64, 64, kernel=1)
        self.conv3 = ConvUnit(64, 192, kernel=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, 64, 64, 64, 96, 32)
        self.inception3b = Inception(256, 64, 64, 96, 64, 96, 64)
        self.inception3c = DownsampleInception(320, 160, 64, 96)
        self.inception4a = Inception(576, 224, 64, 96, 96, 128, 128)
        self.inception4b = Inception(576, 192, 96, 128, 96, 128, 128)
        self.inception4c = Inception(576, 160, 128, 160, 128, 160, 128)
        self.inception4d = Inception(608, 96, 128, 192, 160, 192, 128)
        self.inception4e = DownsampleInception(608, 192, 192, 256)
        self.inception5a = Inception(1056, 352, 192, 320, 160, 224, 128)
        self.inception5b = Inception2()
        self.dropout = nn.Dropout(0.3)
        self.reduce = nn.Conv2d(1024, 256, kernel_size=1)
        self.head_conv1 = Conv3d(256, 64, kernel_size=3, stride=(2, 1, 1), padding=1)
        self.head_bn1 = nn.BatchNorm3d(64)
        self.head_conv2 = Conv3d(64, 128, kernel_size=3, stride=(2, 1, 1), padding=1)
        self.head_bn2 = nn.BatchNorm3d(128)
        self.head_conv3 = Conv3d(128, 256, kernel_size=3, stride=(2, 1, 1), padding=1)
        self.head_bn3 = nn.BatchNorm3d(256)
        self.classifier = Conv3d(256, num_classes, kernel_size=1)

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
        x = clip.transpose(1, 2).flatten(0, 1)  # (N*8, 3, 224, 224)
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.conv1(x)  # (N*8, 64, 112, 112)
        x = self.maxpool1(x)  # (N*8, 64, 56, 56)
        x = self.conv2(x)  # (N*8, 64, 56, 56)
        x = self.conv3(x)  # (N*8, 192, 56, 56)
        x = self.maxpool2(x)  # (N*8, 192, 28, 28)
        x = self.inception3a(x)  # (N*8, 256, 28, 28)
        x = self.inception3b(x)  # (N*8, 320, 28, 28)
        x = self.inception3c(x)  # (N*8, 576, 14, 14)
        x = self.inception4a(x)  # (N*8, 576, 14, 14)
        x = self.inception4b(x)  # (N*8, 576, 14, 14)
        x = self.inception4c(x)  # (N*8, 608, 14, 14)
        x = self.inception4d(x)  # (N*8, 608, 14, 14)
        x = self.inception4e(x)  # (N*8, 1056, 7, 7)
        x = self.inception5a(x)  # (N*8, 1024, 7, 7)
        x = self.inception5b(x)  # (N*8, 1024, 7, 7)
        x = self.dropout(x)  # (N*8, 1024, 7, 7)
        x = F.relu(self.reduce(x), inplace=True)  # (N*8, 256, 7, 7)
        x = F.relu(
            self.head_bn1(self.head_conv1(unfold_time(x, 8))), inplace=True
        )  # (N, 64, 4, 7, 7)
        x = F.relu(self.head_bn2(self.head_conv2(x)), inplace=True)  # (N, 128, 2, 7, 7)
        x = F.relu(self.head_bn3(self.head_conv3(x)), inplace=True)  # (N, 256, 1, 7, 7)
        x = F.relu(self.classifier(x), inplace=True)  # (N, 27, 1, 7, 7)
        out: Tensor = x.mean((-3, -2, -1))  # (N, 27)
        return out  # (N, 27)
