"""rMC3, 2D convolutions below stage 3 and 3D from it on; ResNet18 by default.

Clip (N, 3, 16, 112, 112); 33.06 M parameters, 24.95 GMACs.
Paper: Tran et al., A Closer Look at Spatiotemporal Convolutions, CVPR 2018
Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'rmc3'.
math 0afb3b90289de540, weights 6e224929237e4691.
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


class Basic(nn.Module):
    """Basic residual block."""

    def __init__(self, in_channels: int, kernel_t: int) -> None:
        super().__init__()
        self.conv1 = Conv3d(
            in_channels,
            in_channels,
            kernel_size=(kernel_t, 3, 3),
            padding=(kernel_t // 2, 1, 1),
            bias=False,
        )
        self.bn1 = nn.BatchNorm3d(in_channels, eps=0.001)
        self.conv2 = Conv3d(
            in_channels,
            in_channels,
            kernel_size=(kernel_t, 3, 3),
            padding=(kernel_t // 2, 1, 1),
            bias=False,
        )
        self.bn2 = nn.BatchNorm3d(in_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y.add_(x), inplace=True)


class DownsampleBasic(nn.Module):
    """Basic residual block with a projected shortcut."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            Conv3d(in_channels, width, kernel_size=1, stride=2, bias=False),
            nn.BatchNorm3d(width, eps=0.001),
        )
        self.conv1 = Conv3d(in_channels, width, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm3d(width, eps=0.001)
        self.conv2 = Conv3d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.bn2(self.conv2(x))
        return F.relu(x.add_(shortcut), inplace=True)


class RMC3(nn.Module):
    """rMC3 for clips of 16 frames."""

    def __init__(self, num_classes: int = 400) -> None:
        super().__init__()
        self.conv1 = Conv3d(
            3, 64, kernel_size=(1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False
        )
        self.bn1 = nn.BatchNorm3d(64, eps=0.001)
        self.layer1 = nn.Sequential(Basic(64, kernel_t=1), Basic(64, kernel_t=1))
        self.layer2 = nn.Sequential(DownsampleBasic(64, 128), Basic(128, kernel_t=3))
        self.layer3 = nn.Sequential(DownsampleBasic(128, 256), Basic(256, kernel_t=3))
        self.layer4 = nn.Sequential(DownsampleBasic(256, 512), Basic(512, kernel_t=3))
        self.fc = nn.Linear(512, num_classes)

        for module in self.modules():
            if type(module) is Conv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.contiguous(memory_format=torch.channels_last_3d)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)  # (N, 64, 16, 56, 56)
        x = self.layer1(x)  # (N, 64, 16, 56, 56)
        x = self.layer2(x)  # (N, 128, 8, 28, 28)
        x = self.layer3(x)  # (N, 256, 4, 14, 14)
        x = self.layer4(x)  # (N, 512, 2, 7, 7)
        x = x.mean((-2, -1)).transpose(1, 2)  # (N, 2, 512)
        x = torch.mean(x, 1)  # (N, 512)
        out: Tensor = self.fc(x)  # (N, 400)
        return out  # (N, 400)
