"""Squeeze-and-excitation of clips (Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018; in
time as well, Feichtenhofer, "X3D", CVPR 2020). In and out are (N, C, T, H, W)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """Each channel times a gate: averages over the clip, two layers, sigmoid."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv3d(channels, inner, kernel_size=1)
        self.fc2 = nn.Conv3d(inner, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, C, T, H, W)."""
        gates = x.mean((2, 3, 4), keepdim=True)  # (N, C, 1, 1, 1)
        gates = F.relu(self.fc1(gates), inplace=True)
        return x * torch.sigmoid(self.fc2(gates))
