"""grouped temporal convolutions at several scales on I3D's maps, one for 8 frames; 3 layers by.

Clip (N, 1024, 64, 7, 7); 1.17 M parameters, 1.25 GMACs.
Paper: Hussein et al., Timeception for Complex Action Recognition, CVPR 2019

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'timeception'.
math 648729bf5cebc0de, weights b827a56ede14acd2.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MultiScaleTemporal(nn.Module):
    """Temporal convolutions of several lengths in groups of channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch0_reduce = nn.Conv3d(4 * width, width, kernel_size=1, groups=8)
        self.branch0_bn = nn.BatchNorm3d(width)
        self.branch1_reduce = nn.Conv3d(4 * width, width, kernel_size=1, groups=8)
        self.branch1_conv = nn.Conv3d(
            width, width, kernel_size=(3, 1, 1), padding=(1, 0, 0), groups=width
        )
        self.branch1_bn = nn.BatchNorm3d(width)
        self.branch2_reduce = nn.Conv3d(4 * width, width, kernel_size=1, groups=8)
        self.branch2_conv = nn.Conv3d(
            width, width, kernel_size=(5, 1, 1), padding=(2, 0, 0), groups=width
        )
        self.branch2_bn = nn.BatchNorm3d(width)
        self.branch3_reduce = nn.Conv3d(4 * width, width, kernel_size=1, groups=8)
        self.branch3_conv = nn.Conv3d(
            width, width, kernel_size=(7, 1, 1), padding=(3, 0, 0), groups=width
        )
        self.branch3_bn = nn.BatchNorm3d(width)
        self.branch4_reduce = nn.Conv3d(4 * width, width, kernel_size=1, groups=8)
        self.branch4_bn = nn.BatchNorm3d(width)
        self.pool = nn.MaxPool3d(kernel_size=(2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        branch0 = self.branch0_bn(self.branch0_reduce(x))
        y = self.branch1_reduce(x)
        branch1 = self.branch1_bn(self.branch1_conv(y))
        y = self.branch2_reduce(x)
        branch2 = self.branch2_bn(self.branch2_conv(y))
        y = self.branch3_reduce(x)
        branch3 = self.branch3_bn(self.branch3_conv(y))
        x = self.branch4_reduce(x)
        branch4 = self.branch4_bn(torch.maximum(x, torch.cat([x[:, :, 1:2], x[:, :, :-1]], dim=2)))
        x = F.relu(torch.cat([branch0, branch1, branch2, branch3, branch4], dim=1), inplace=True)
        x = torch.unflatten(x, 1, (5, 8, -1)).transpose(2, 3).flatten(1, 3)
        out: Tensor = self.pool(x)
        return out


class Timeception(nn.Module):
    """Timeception for clips of 64 frames."""

    def __init__(self, num_classes: int = 157) -> None:
        super().__init__()
        self.timeception = nn.Sequential(
            MultiScaleTemporal(256), MultiScaleTemporal(320), MultiScaleTemporal(400)
        )
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2000, num_classes)

        for module in self.modules():
            if type(module) is nn.Conv3d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last_3d)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.contiguous(memory_format=torch.channels_last_3d)
        x = self.timeception(x)  # (N, 2000, 8, 7, 7)
        x = x.amax((-2, -1)).transpose(1, 2)  # (N, 8, 2000)
        x = torch.amax(x, 1)  # (N, 2000)
        x = self.dropout(x)  # (N, 2000)
        out: Tensor = self.fc(x)  # (N, 157)
        return out  # (N, 157)
