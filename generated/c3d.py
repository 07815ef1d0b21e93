"""C3D on 16 frames.

Clip (N, 3, 16, 112, 112); 79.99 M parameters, 38.55 GMACs.
Paper: Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV 2015

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'c3d'.
math ddd81278ccbe28c7, weights 485625a56f0ee10d.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def is_single(clip: Tensor) -> bool:
    """Tell whether this is one clip, to be computed in float32 on a CPU that has oneDNN.

    Not while operators are traced or counted: who does so knows PyTorch's own convolution.
    """
    is_counted = torch._C._len_torch_dispatch_stack() > 0
    if isinstance(clip, torch.fx.Proxy) or torch._C._is_tracing() or is_counted:
        return False
    is_float = clip.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return clip.shape[0] == 1 and clip.is_cpu and is_float and torch._C._has_mkldnn


class Conv3d(nn.Conv3d):
    """nn.Conv3d that runs by oneDNN for a single small clip too; PyTorch's own choice is slower."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C', T', H', W')."""
        if torch.compiler.is_compiling() or not is_single(input):
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
