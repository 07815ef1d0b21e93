"""P3D on ResNet101, its units A, B and C in turn.

Clip (N, 3, 16, 160, 160); 48.09 M parameters, 12.90 GMACs.
Paper: Qiu et al., Learning Spatio-Temporal Representation with Pseudo-3D Residual Networks,
    ICCV 2017
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'p3d_131'.
math 359ce6defa4060ce, weights b4e3831c6280e6bf.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def fold_time(clip: Tensor) -> Tensor:
    """Fold time into the batch: (N, C, T, H, W) to (N*T, C, H, W)."""
    return clip.transpose(1, 2).flatten(0, 1)


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


class SeparableConv(nn.Module):
    """Spatial convolution, then a temporal one."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = Conv3d(
            in_channels, in_channels, kernel_size=(1, 3, 3), padding=(0, 1, 1), bias=False
        )
        self.bn = nn.BatchNorm3d(in_channels)
        self.conv_t = Conv3d(
            in_channels, in_channels, kernel_size=(3, 1, 1), padding=(1, 0, 0), bias=False
        )
        self.bn_t = nn.BatchNorm3d(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.conv(x)), inplace=True)
        return F.relu(self.bn_t(self.conv_t(x)), inplace=True)


class ParallelSeparableConv(nn.Module):
    """Spatial and temporal convolution of one input, summed."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = Conv3d(
            in_channels, in_channels, kernel_size=(1, 3, 3), padding=(0, 1, 1), bias=False
        )
        self.bn = nn.BatchNorm3d(in_channels)
        self.conv_t = Conv3d(
            in_channels, in_channels, kernel_size=(3, 1, 1), padding=(1, 0, 0), bias=False
        )
        self.bn_t = nn.BatchNorm3d(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn(self.conv(x)), inplace=True)
        x = F.relu(self.bn_t(self.conv_t(x)), inplace=True)
        out: Tensor = y + x
        return out


class SkipSeparableConv(nn.Module):
    """Spatial convolution, and a temporal one of it that is added."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = Conv3d(
            in_channels, in_channels, kernel_size=(1, 3, 3), padding=(0, 1, 1), bias=False
        )
        self.bn = nn.BatchNorm3d(in_channels)
        self.conv_t = Conv3d(
            in_channels, in_channels, kernel_size=(3, 1, 1), padding=(1, 0, 0), bias=False
        )
        self.bn_t = nn.BatchNorm3d(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.conv(x)), inplace=True)
        y = F.relu(self.bn_t(self.conv_t(x)), inplace=True)
        out: Tensor = x + y
        return out


class DownsampleBottleneck(nn.Module):
    """Bottleneck residual block with a projected shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv2d(1024, 2048, kernel_size=1, stride=2, bias=False), nn.BatchNorm2d(2048)
        )
        self.conv1 = nn.Conv2d(1024, 512, kernel_size=1, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(512)
        self.conv2 = nn.Conv2d(512, 512, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(512)
        self.conv3 = nn.Conv2d(512, 2048, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(2048)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class Bottleneck(nn.Module):
    """Bottleneck residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2048, 512, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(512)
        self.conv2 = nn.Conv2d(512, 512, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(512)
        self.conv3 = nn.Conv2d(512, 2048, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(2048)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class SeparableDownsampleBottleneck(nn.Module):
    """Bottleneck residual block with a projected shortcut, separable over space and time."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            Conv3d(in_channels, 4 * width, kernel_size=1, stride=(1, stride, stride), bias=False),
            nn.BatchNorm3d(4 * width),
        )
        self.conv1 = Conv3d(
            in_channels, width, kernel_size=1, stride=(1, stride, stride), bias=False
        )
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = SeparableConv(width)
        self.conv3 = Conv3d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.conv2(x)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class SeparableBottleneck(nn.Module):
    """Bottleneck residual block, separable over space and time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = Conv3d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = ParallelSeparableConv(width)
        self.conv3 = Conv3d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.conv2(y)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class SeparableBottleneck2(nn.Module):
    """Bottleneck residual block, separable over space and time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = Conv3d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = SkipSeparableConv(width)
        self.conv3 = Conv3d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.conv2(y)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class SeparableBottleneck3(nn.Module):
    """Bottleneck residual block, separable over space and time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = Conv3d(4 * width, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = SeparableConv(width)
        self.conv3 = Conv3d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.conv2(y)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class SeparableDownsampleBottleneck2(nn.Module):
    """Bottleneck residual block with a projected shortcut, separable over space and time."""

    def __init__(self) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            Conv3d(512, 1024, kernel_size=1, stride=(1, 2, 2), bias=False), nn.BatchNorm3d(1024)
        )
        self.conv1 = Conv3d(512, 256, kernel_size=1, stride=(1, 2, 2), bias=False)
        self.bn1 = nn.BatchNorm3d(256)
        self.conv2 = ParallelSeparableConv(256)
        self.conv3 = Conv3d(256, 1024, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(1024)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.conv2(x)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class P3D131(nn.Module):
    """P3D for clips of 16 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = Conv3d(
            3, 64, kernel_size=(1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False
        )
        self.bn1 = nn.BatchNorm3d(64)
        self.maxpool = nn.MaxPool3d(kernel_size=(2, 3, 3), stride=2, padding=(0, 1, 1))
        self.layer1 = nn.Sequential(
            SeparableDownsampleBottleneck(64, 64), SeparableBottleneck(64), SeparableBottleneck2(64)
        )
        self.t_pool1 = nn.MaxPool3d(kernel_size=(2, 1, 1))
        self.layer2 = nn.Sequential(
            SeparableDownsampleBottleneck(256, 128, stride=2),
            SeparableBottleneck(128),
            SeparableBottleneck2(128),
            SeparableBottleneck3(128),
        )
        self.t_pool2 = nn.MaxPool3d(kernel_size=(2, 1, 1))
        self.layer3 = nn.Sequential(
            SeparableDownsampleBottleneck2(),
            SeparableBottleneck2(256),
            SeparableBottleneck3(256),
            SeparableBottleneck(256),
            SeparableBottleneck2(256),
            SeparableBottleneck3(256),
            SeparableBottleneck(256),
            SeparableBottleneck2(256),
            SeparableBottleneck3(256),
            SeparableBottleneck(256),
            SeparableBottleneck2(256),
            SeparableBottleneck3(256),
            SeparableBottleneck(256),
            SeparableBottleneck2(256),
            SeparableBottleneck3(256),
            SeparableBottleneck(256),
            SeparableBottleneck2(256),
            SeparableBottleneck3(256),
            SeparableBottleneck(256),
            SeparableBottleneck2(256),
            SeparableBottleneck3(256),
            SeparableBottleneck(256),
            SeparableBottleneck2(256),
        )
        self.t_pool3 = nn.MaxPool3d(kernel_size=(2, 1, 1))
        self.layer4 = nn.Sequential(DownsampleBottleneck(), Bottleneck(), Bottleneck())
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2048, num_classes)

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
        x = clip.contiguous(memory_format=torch.channels_last_3d)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # (N, 64, 16, 80, 80)
        x = self.maxpool(x)  # (N, 64, 8, 40, 40)
        x = self.layer1(x)  # (N, 256, 8, 40, 40)
        x = self.t_pool1(x)  # (N, 256, 4, 40, 40)
        x = self.layer2(x)  # (N, 512, 4, 20, 20)
        x = self.t_pool2(x)  # (N, 512, 2, 20, 20)
        x = self.layer3(x)  # (N, 1024, 2, 10, 10)
        x = self.t_pool3(x)  # (N, 1024, 1, 10, 10)
        x = self.layer4(fold_time(x))  # (N*1, 2048, 5, 5)
        x = x.mean((-2, -1))  # (N*1, 2048)
        x = self.dropout(x)  # (N*1, 2048)
        x = self.fc(x)  # (N*1, 400)
        return torch.unflatten(x, 0, (-1, 1)).mean(1)  # (N, 400)
