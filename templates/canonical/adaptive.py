"""The operator of modules/adaptive.py, its last step as the convolution that defines it.

Parameters and results are the same; torch.utils.flop_counter finds here the multiply-accumulates
that count as its own: kernel * C * T * H * W, beside those that make kernels and gates.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AdaptiveTemporalConv(nn.Module):
    """Gates the channels of every frame, then convolves them over time, each by its own kernel."""

    def __init__(
        self, channels: int, frames: int, kernel: int = 3, expansion: int = 2, reduction: int = 4
    ) -> None:
        super().__init__()
        self.frames = frames
        self.kernel = kernel
        inner, squeezed = frames * expansion, channels // reduction
        self.kernel_fc1 = nn.Linear(frames, inner, bias=False)
        self.kernel_bn = nn.BatchNorm1d(inner)
        self.kernel_fc2 = nn.Linear(inner, kernel, bias=False)
        self.gate_conv1 = nn.Conv1d(channels, squeezed, kernel, padding=kernel // 2, bias=False)
        self.gate_bn = nn.BatchNorm1d(squeezed)
        self.gate_conv2 = nn.Conv1d(squeezed, channels, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) -> (N*T, C, H, W); frames outside the clip are zeros."""
        height, width = x.shape[2:]
        clip = torch.unflatten(x, 0, (-1, self.frames)).transpose(1, 2)  # (N, C, T, H, W)
        pooled = clip.mean((3, 4))
        gate = torch.sigmoid(self.gate_conv2(F.relu(self.gate_bn(self.gate_conv1(pooled)))))
        inner = F.relu(self.kernel_bn(self.kernel_fc1(pooled.flatten(0, 1))))
        kernels = self.kernel_fc2(inner).softmax(1)  # (N*C, kernel)
        gated = (clip * gate[..., None, None]).flatten(3).flatten(0, 1)  # (N*C, T, H*W)
        weight = kernels[:, None, :, None]
        pad = (self.kernel // 2, 0)
        out = F.conv2d(gated[None], weight, padding=pad, groups=len(weight))[0]
        clips: Tensor = torch.unflatten(out, 0, clip.shape[:2]).unflatten(3, (height, width))
        return clips.transpose(1, 2).flatten(0, 1)
