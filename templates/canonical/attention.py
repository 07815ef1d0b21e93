"""The operators of modules/attention.py that run otherwise, over all pairs of positions.

Parameters and results are the same; torch.utils.flop_counter finds here the multiply-accumulates
that count as theirs, for P positions that look and Q that are looked at.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def to_positions(x: Tensor, frames: int) -> Tensor:
    """(N*T, C, H, W) -> (N, T*H*W, C)."""
    clips: Tensor = torch.unflatten(x, 0, (-1, frames)).permute(0, 1, 3, 4, 2)
    return clips.flatten(1, 3)


def to_frames(x: Tensor, height: int, width: int) -> Tensor:
    """(N, T*H*W, C) -> (N*T, C, H, W)."""
    return x.reshape(-1, height, width, x.shape[2]).permute(0, 3, 1, 2)


class DotProductAttention(nn.Module):
    """y_i = 1/Q sum_j (theta_i . phi_j) g_j: (C + D) * P * Q multiply-accumulates."""

    def __init__(self, frames: int, key_frames: int | None = None) -> None:
        super().__init__()
        self.frames = frames
        self.key_frames = key_frames or frames

    def forward(self, theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        """Join theta (N*T, C, H, W), phi (N*T', C, H', W') and g (N*T', D, H', W')."""
        queries, keys = to_positions(theta, self.frames), to_positions(phi, self.key_frames)
        weights = torch.bmm(queries, keys.transpose(1, 2)) / keys.shape[1]
        y = torch.bmm(weights, to_positions(g, self.key_frames))
        return to_frames(y, theta.shape[2], theta.shape[3])


class ConcatenationAttention(nn.Module):
    """y_i = 1/Q sum_j relu(weight . [theta_i, phi_j]) g_j: (2 * C + D) * P * Q."""

    def __init__(self, channels: int, frames: int, key_frames: int | None = None) -> None:
        super().__init__()
        self.frames = frames
        self.key_frames = key_frames or frames
        self.weight = nn.Parameter(torch.empty(2 * channels))
        nn.init.normal_(self.weight, std=2**0.5)

    def forward(self, theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        """Join theta (N*T, C, H, W), phi (N*T', C, H', W') and g (N*T', D, H', W')."""
        queries, keys = to_positions(theta, self.frames), to_positions(phi, self.key_frames)
        rows = queries.transpose(1, 2).unsqueeze(3).expand(-1, -1, -1, keys.shape[1])
        columns = keys.transpose(1, 2).unsqueeze(2).expand_as(rows)
        pairs = torch.cat((rows, columns), 1)  # (N, 2 * C, P, Q)
        weights = F.relu(F.conv2d(pairs, self.weight.view(1, -1, 1, 1))).squeeze(1)
        y = torch.bmm(weights / keys.shape[1], to_positions(g, self.key_frames))
        return to_frames(y, theta.shape[2], theta.shape[3])
