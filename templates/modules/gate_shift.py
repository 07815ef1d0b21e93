"""Gate-shift module (Sudhakaran et al., "Gate-Shift Networks", CVPR 2020). Inputs and outputs are
frames (N*T, C, H, W), frame-major, preferably in channels-last memory."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GateShift(nn.Module):
    """Moves what the gates let through: of half of the channels a frame back, of the rest on.

    The gates start closed. Channels of each half then interleave, so that it starts as a
    permutation of the channels.
    """

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.zeros(2, channels // 2, 3, 3, 3))
        self.bias = nn.Parameter(torch.zeros(2))
        self.bn = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        clip = torch.unflatten(x, 0, (-1, self.frames)).transpose(1, 2)  # (N, C, T, H, W)
        seen = F.relu(self.bn(clip))
        gate = torch.tanh(F.conv3d(seen, self.weight, self.bias, padding=1, groups=2))
        ahead, behind = gate.permute(0, 2, 3, 4, 1).unsqueeze(-1).unbind(-2)
        first, second = clip.permute(0, 2, 3, 4, 1).chunk(2, -1)  # each (N, T, H, W, C/2)
        moved, outside = ahead * first, (0, 0, 0, 0, 0, 0)
        first = first - moved + F.pad(moved[:, 1:], (*outside, 0, 1))
        moved = behind * second
        second = second - moved + F.pad(moved[:, :-1], (*outside, 1, 0))
        halves = torch.stack((first, second), -2)  # (N, T, H, W, 2, C/2)
        mixed = torch.unflatten(halves, -1, (2, -1)).transpose(-1, -2)
        return mixed.flatten(-3).permute(0, 1, 4, 2, 3).flatten(0, 1)
