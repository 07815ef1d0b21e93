"""SlowFast with ResNet50, 4 frames beside 32.

Clip (N, 3, 32, 224, 224); 34.48 M parameters, 27.64 GMACs.
Paper: Feichtenhofer et al., SlowFast Networks for Video Recognition, ICCV 2019
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'slowfast_r50_4x16'.
math 63bc0a0a2dd9a1fc, weights 7bc46cc49a3df8d8.
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


class TemporalLateral(nn.Module):
    """Temporal lateral."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = Conv3d(
            in_channels,
            out_channels,
            kernel_size=(5, 1, 1),
            stride=(8, 1, 1),
            padding=(2, 0, 0),
            bias=False,
        )
        self.bn = nn.BatchNorm3d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class DownsampleBottleneck(nn.Module):
    """Bottleneck residual block with a projected shortcut."""

    def __init__(self, in_channels: int, width: int, kernel_t: int, stride: int = 1) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            Conv3d(in_channels, 4 * width, kernel_size=1, stride=(1, stride, stride), bias=False),
            nn.BatchNorm3d(4 * width),
        )
        self.conv1 = Conv3d(
            in_channels,
            width,
            kernel_size=(kernel_t, 1, 1),
            padding=(kernel_t // 2, 0, 0),
            bias=False,
        )
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = Conv3d(
            width,
            width,
            kernel_size=(1, 3, 3),
            stride=(1, stride, stride),
            padding=(0, 1, 1),
            bias=False,
        )
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = Conv3d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        return F.relu(x.add_(shortcut), inplace=True)


class Bottleneck(nn.Module):
    """Bottleneck residual block."""

    def __init__(self, width: int, kernel_t: int) -> None:
        super().__init__()
        self.conv1 = Conv3d(
            4 * width,
            width,
            kernel_size=(kernel_t, 1, 1),
            padding=(kernel_t // 2, 0, 0),
            bias=False,
        )
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = Conv3d(width, width, kernel_size=(1, 3, 3), padding=(0, 1, 1), bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = Conv3d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y.add_(x), inplace=True)


class SlowFastR504x16(nn.Module):
    """SlowFast for clips of 32 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = Conv3d(
            3, 64, kernel_size=(1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False
        )
        self.bn1 = nn.BatchNorm3d(64)
        self.maxpool = nn.MaxPool3d(kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        self.fast_conv1 = Conv3d(
            3, 8, kernel_size=(5, 7, 7), stride=(1, 2, 2), padding=(2, 3, 3), bias=False
        )
        self.fast_bn1 = nn.BatchNorm3d(8)
        self.fast_maxpool = nn.MaxPool3d(kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        self.fusion1 = TemporalLateral(8, 16)
        self.layer1 = nn.Sequential(
            DownsampleBottleneck(80, 64, kernel_t=1),
            Bottleneck(64, kernel_t=1),
            Bottleneck(64, kernel_t=1),
        )
        self.fast_layer1 = nn.Sequential(
            DownsampleBottleneck(8, 8, kernel_t=3),
            Bottleneck(8, kernel_t=3),
            Bottleneck(8, kernel_t=3),
        )
        self.fusion2 = TemporalLateral(32, 64)
        self.layer2 = nn.Sequential(
            DownsampleBottleneck(320, 128, kernel_t=1, stride=2),
            *(Bottleneck(128, kernel_t=1) for _ in range(3)),
        )
        self.fast_layer2 = nn.Sequential(
            DownsampleBottleneck(32, 16, kernel_t=3, stride=2),
            *(Bottleneck(16, kernel_t=3) for _ in range(3)),
        )
        self.fusion3 = TemporalLateral(64, 128)
        self.layer3 = nn.Sequential(
            DownsampleBottleneck(640, 256, kernel_t=3, stride=2),
            *(Bottleneck(256, kernel_t=3) for _ in range(5)),
        )
        self.fast_layer3 = nn.Sequential(
            DownsampleBottleneck(64, 32, kernel_t=3, stride=2),
            *(Bottleneck(32, kernel_t=3) for _ in range(5)),
        )
        self.fusion4 = TemporalLateral(128, 256)
        self.layer4 = nn.Sequential(
            DownsampleBottleneck(1280, 512, kernel_t=3, stride=2),
            Bottleneck(512, kernel_t=3),
            Bottleneck(512, kernel_t=3),
        )
        self.fast_layer4 = nn.Sequential(
            DownsampleBottleneck(128, 64, kernel_t=3, stride=2),
            Bottleneck(64, kernel_t=3),
            Bottleneck(64, kernel_t=3),
        )
        self.head_pool = WindowPool((4, 7, 7))
        self.head_pool2 = WindowPool((32, 7, 7))
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2304, num_classes)

        for module in self.modules():
            if type(module) is Conv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        clip = clip.contiguous(memory_format=torch.channels_last_3d)
        x = clip[:, :, [0, 10, 20, 31]]  # (N, 3, 4, 224, 224)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # (N, 64, 4, 112, 112)
        x = self.maxpool(x)  # (N, 64, 4, 56, 56)
        fast = F.relu(self.fast_bn1(self.fast_conv1(clip)), inplace=True)  # (N, 8, 32, 112, 112)
        fast = self.fast_maxpool(fast)  # (N, 8, 32, 56, 56)
        fusion = self.fusion1(fast)  # (N, 16, 4, 56, 56)
        x = torch.cat([x, fusion], dim=1)  # (N, 80, 4, 56, 56)
        x = self.layer1(x)  # (N, 256, 4, 56, 56)
        fast = self.fast_layer1(fast)  # (N, 32, 32, 56, 56)
        fusion = self.fusion2(fast)  # (N, 64, 4, 56, 56)
        x = torch.cat([x, fusion], dim=1)  # (N, 320, 4, 56, 56)
        x = self.layer2(x)  # (N, 512, 4, 28, 28)
        fast = self.fast_layer2(fast)  # (N, 64, 32, 28, 28)
        fusion = self.fusion3(fast)  # (N, 128, 4, 28, 28)
        x = torch.cat([x, fusion], dim=1)  # (N, 640, 4, 28, 28)
        x = self.layer3(x)  # (N, 1024, 4, 14, 14)
        fast = self.fast_layer3(fast)  # (N, 128, 32, 14, 14)
        fusion = self.fusion4(fast)  # (N, 256, 4, 14, 14)
        x = torch.cat([x, fusion], dim=1)  # (N, 1280, 4, 14, 14)
        x = self.layer4(x)  # (N, 2048, 4, 7, 7)
        fast = self.fast_layer4(fast)  # (N, 256, 32, 7, 7)
        head_pool = self.head_pool(x)  # (N, 2048, 1, 1, 1)
        head_pool2 = self.head_pool2(fast)  # (N, 256, 1, 1, 1)
        x = torch.cat([head_pool, head_pool2], dim=1)  # (N, 2304, 1, 1, 1)
        x = x.flatten(2).transpose(1, 2)  # (N, 1, 2304)
        x = self.dropout(x)  # (N, 1, 2304)
        x = self.fc(x)  # (N, 1, 400)
        return torch.mean(x, 1)  # (N, 400)
