"""Correlation of every frame with the one before (Wang et al., "Video Modeling with Correlation
Networks", CVPR 2020). Inputs and outputs are clips (N, C, T, H, W)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Correlation(nn.Module):
    """Means over groups of channels of weight * previous frame * current frame at an offset.

    Offsets go row by row, from dilation * (kernel // 2) up and left to as far down and right;
    beyond the border lie zeros. The first frame is correlated with itself.
    """

    def __init__(
        self, channels: int, frames: int, kernel: int = 7, dilation: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.dilation = dilation
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(channels, frames, kernel, kernel))
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) -> (N, kernel * kernel * groups, T, H, W)."""
        height, width = x.shape[-2:]
        kernel = self.weight.shape[-1]
        weight = self.weight.to(x.dtype)
        previous = torch.cat((x[:, :, :1], x[:, :, :-1]), 2)
        padded = F.pad(x, (self.dilation * (kernel // 2),) * 4)
        responses = []
        for i in range(kernel):
            for j in range(kernel):
                top, left = i * self.dilation, j * self.dilation
                current = padded[..., top : top + height, left : left + width]
                product = previous * current * weight[:, :, i, j, None, None]
                responses.append(torch.unflatten(product, 1, (self.groups, -1)).mean(2))
        return torch.cat(responses, 1)
