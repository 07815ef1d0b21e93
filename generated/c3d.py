"""C3D on 16 frames.

Clip (N, 3, 16, 112, 112); 79.99 M parameters, 38.55 GMACs.
Paper: Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV 2015

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'c3d'.
math 69b459d29baf002a, weights 485625a56f0ee10d.
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


class C3D(nn.Module):
    """C3D for clips of 16 frames."""

    def __init__(self, num_classes: int = 487) -> None:
        super().__init__()
        self.conv1 = Conv3d(3, 64, kernel_size=3, padding=1)
        self.pool1 = nn.MaxPool3d(kernel_size=(1, 2, 2))
        self.conv2 = Conv3d(64, 128, kernel_size=3, padding=1)
        self.pool2 = nn.MaxPool3d(kernel_size=2)
        self.conv3a = Conv3d(128, 256, kernel_size=3, padding=1)
        self.conv3b = Conv3d(256, 256, kernel_size=3, padding=1)
        self.pool3 = nn.MaxPool3d(kernel_size=2)
        self.conv4a = Conv3d(256, 512, kernel_size=3, padding=1)
        self.conv4b = Conv3d(512, 512, kernel_size=3, padding=1)
        self.pool4 = nn.MaxPool3d(kernel_size=2)
        self.conv5a = Conv3d(512, 512, kernel_size=3, padding=1)
        self.conv5b = Conv3d(512, 512, kernel_size=3, padding=1)
        self.pool5 = nn.MaxPool3d(kernel_size=2, padding=(0, 1, 1))
        self.fc6 = nn.Linear(8192, 4096)
        self.dropout6 = nn.Dropout(0.5)
        self.fc7 = nn.Linear(4096, 4096)
        self.dropout = nn.Dropout(0.5)
        self.fc8 = nn.Linear(4096, num_classes)

        for module in self.modules():
            if type(module) is Conv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.contiguous(memory_format=torch.channels_last_3d)
        x = F.relu(self.conv1(x), inplace=True)  # (N, 64, 16, 112, 112)
        x = self.pool1(x)  # (N, 64, 16, 56, 56)
        x = F.relu(self.conv2(x), inplace=True)  # (N, 128, 16, 56, 56)
        x = self.pool2(x)  # (N, 128, 8, 28, 28)
        x = F.relu(self.conv3a(x), inplace=True)  # (N, 256, 8, 28, 28)
        x = F.relu(self.conv3b(x), inplace=True)  # (N, 256, 8, 28, 28)
        x = self.pool3(x)  # (N, 256, 4, 14, 14)
        x = F.relu(self.conv4a(x), inplace=True)  # (N, 512, 4, 14, 14)
        x = F.relu(self.conv4b(x), inplace=True)  # (N, 512, 4, 14, 14)
        x = self.pool4(x)  # (N, 512, 2, 7, 7)
        x = F.relu(self.conv5a(x), inplace=True)  # (N, 512, 2, 7, 7)
        x = F.relu(self.conv5b(x), inplace=True)  # (N, 512, 2, 7, 7)
        x = self.pool5(x)  # (N, 512, 1, 4, 4)
        x = x.flatten(1)  # (N, 8192)
        x = F.relu(self.fc6(x), inplace=True)  # (N, 4096)
        x = self.dropout6(x)  # (N, 4096)
        x = F.relu(self.fc7(x), inplace=True)  # (N, 4096)
        x = self.dropout(x)  # (N, 4096)
        out: Tensor = self.fc8(x)  # (N, 487)
        return out  # (N, 487)
