"""S3D as torchvision has it, with dropout and windows of a fixed size.

Clip (N, 3, 64, 224, 224); 8.32 M parameters, 71.92 GMACs.
Paper: Xie et al., Rethinking Spatiotemporal Feature Learning, ECCV 2018
Paper: Szegedy et al., Going Deeper with Convolutions, CVPR 2015

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 's3d_torchvision'.
math b1774ba8b7a560d5, weights b369d21b1976fb37.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


class SeparableConvUnit(nn.Module):
    """Convolution, batch norm and ReLU, separable over space and time."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = Conv3d(
            in_channels,
            out_channels,
            kernel_size=(1, kernel, kernel),
            stride=(1, stride, stride),
            padding=(0, kernel // 2, kernel // 2),
            bias=False,
        )
        self.bn = nn.BatchNorm3d(out_channels, eps=0.001, momentum=0.001)
        self.conv_t = Conv3d(
            out_channels,
            out_channels,
            kernel_size=(kernel, 1, 1),
            stride=(stride, 1, 1),
            padding=(kernel // 2, 0, 0),
            bias=False,
        )
        self.bn_t = nn.BatchNorm3d(out_channels, eps=0.001, momentum=0.001)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.conv(x)), inplace=True)
        return F.relu(self.bn_t(self.conv_t(x)), inplace=True)


class ConvUnit(nn.Module):
    """Convolution, batch norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = Conv3d(in_channels, out_channels, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm3d(out_channels, eps=0.001, momentum=0.001)

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
        self.branch1 = ConvUnit(in_channels, branch1)
        self.branch2 = nn.Sequential(
            ConvUnit(in_channels, reduce2), SeparableConvUnit(reduce2, branch2, kernel=3)
        )
        self.branch3 = nn.Sequential(
            ConvUnit(in_channels, reduce3), SeparableConvUnit(reduce3, branch3, kernel=3)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool3d(kernel_size=3, stride=1, padding=1), ConvUnit(in_channels, branch4)
        )

    def forward(self, x: Tensor) -> Tensor:
        branch1 = self.branch1(x)
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        branch4 = self.branch4(x)
        return torch.cat([branch1, branch2, branch3, branch4], dim=1)


class S3DTorchvision(nn.Module):
    """S3D for clips of 64 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = SeparableConvUnit(3, 64, kernel=7, stride=2)
        self.maxpool1 = nn.MaxPool3d(kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        self.conv2 = ConvUnit(64, 64)
        self.conv3 = SeparableConvUnit(64, 192, kernel=3)
        self.maxpool2 = nn.MaxPool3d(kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool3d(kernel_size=3, stride=2, padding=1)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool3d(kernel_size=2)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.head_pool = WindowPool((2, 7, 7))
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(1024, num_classes)

        for module in self.modules():
            if type(module) is Conv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.contiguous(memory_format=torch.channels_last_3d)
        x = self.conv1(x)  # (N, 64, 32, 112, 112)
        x = self.maxpool1(x)  # (N, 64, 32, 56, 56)
        x = self.conv2(x)  # (N, 64, 32, 56, 56)
        x = self.conv3(x)  # (N, 192, 32, 56, 56)
        x = self.maxpool2(x)  # (N, 192, 32, 28, 28)
        x = self.inception3a(x)  # (N, 256, 32, 28, 28)
        x = self.inception3b(x)  # (N, 480, 32, 28, 28)
        x = self.maxpool3(x)  # (N, 480, 16, 14, 14)
        x = self.inception4a(x)  # (N, 512, 16, 14, 14)
        x = self.inception4b(x)  # (N, 512, 16, 14, 14)
        x = self.inception4c(x)  # (N, 512, 16, 14, 14)
        x = self.inception4d(x)  # (N, 528, 16, 14, 14)
        x = self.inception4e(x)  # (N, 832, 16, 14, 14)
        x = self.maxpool4(x)  # (N, 832, 8, 7, 7)
        x = self.inception5a(x)  # (N, 832, 8, 7, 7)
        x = self.inception5b(x)  # (N, 1024, 8, 7, 7)
        x = self.head_pool(x)  # (N, 1024, 7, 1, 1)
        x = x.flatten(2).transpose(1, 2)  # (N, 7, 1024)
        x = self.dropout(x)  # (N, 7, 1024)
        x = self.fc(x)  # (N, 7, 400)
        return torch.mean(x, 1)  # (N, 400)
