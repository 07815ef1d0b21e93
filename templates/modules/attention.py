"""Attention over all positions of a clip (Wang et al., "Non-local Neural Networks", CVPR 2018).

theta is (N*T, C, H, W), phi (N*T', C, H', W'), g (N*T', D, H', W'), frame-major; y (N*T, D, H, W).
There are P = T*H*W positions that look and Q = T'*H'*W' that are looked at. In channels-last memory
the change between frames and positions is free.
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


class SoftmaxAttention(nn.Module):
    """y_i = sum_j softmax_j(scale * theta_i . phi_j) g_j, the (embedded) Gaussian."""

    def __init__(self, frames: int, scale: float = 1.0, key_frames: int | None = None) -> None:
        super().__init__()
        self.frames = frames
        self.key_frames = key_frames or frames
        self.scale = scale

    def forward(self, theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        """Join theta, phi and g; memory N*P*Q."""
        queries = to_positions(theta, self.frames)
        keys = to_positions(phi, self.key_frames) * self.scale
        weights = torch.bmm(queries, keys.transpose(1, 2)).softmax(-1)  # (N, P, Q)
        y = torch.bmm(weights, to_positions(g, self.key_frames))
        return to_frames(y, theta.shape[2], theta.shape[3])


class DotProductAttention(nn.Module):
    """y_i = 1/Q sum_j (theta_i . phi_j) g_j, computed as theta_i . (1/Q sum_j phi_j g_j)."""

    def __init__(self, frames: int, key_frames: int | None = None) -> None:
        super().__init__()
        self.frames = frames
        self.key_frames = key_frames or frames

    def forward(self, theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        """Join theta, phi and g; the pairs of positions are never written out."""
        keys = to_positions(phi, self.key_frames)
        context = torch.bmm(keys.transpose(1, 2), to_positions(g, self.key_frames))  # (N, C, D)
        y = torch.bmm(to_positions(theta, self.frames), context / keys.shape[1])
        return to_frames(y, theta.shape[2], theta.shape[3])


class ConcatenationAttention(nn.Module):
    """y_i = 1/Q sum_j relu(weight . [theta_i, phi_j]) g_j."""

    def __init__(self, channels: int, frames: int, key_frames: int | None = None) -> None:
        super().__init__()
        self.frames = frames
        self.key_frames = key_frames or frames
        self.weight = nn.Parameter(torch.empty(2 * channels))
        nn.init.normal_(self.weight, std=2**0.5)

    def forward(self, theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        """Join theta, phi and g; memory N*P*Q."""
        of_theta, of_phi = self.weight.chunk(2)
        rows = torch.matmul(to_positions(theta, self.frames), of_theta)  # (N, P)
        columns = torch.matmul(to_positions(phi, self.key_frames), of_phi)  # (N, Q)
        pairs = F.relu(rows.unsqueeze(2) + columns.unsqueeze(1), inplace=True)
        y = torch.bmm(pairs, to_positions(g, self.key_frames)) / columns.shape[1]
        return to_frames(y, theta.shape[2], theta.shape[3])
