"""Temporal adaptive module (Liu et al., "TAM: Temporal Adaptive Module", ICCV 2021). Inputs and
outputs are frames (N*T, C, H, W), frame-major, preferably in channels-last memory."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AdaptiveTemporalConv(nn.Module):
    """Gates the channels of every frame, then convolves them over time, each by its own kernel.

    The kernel of a channel is made of that channel in all frames of the clip, its gate in a frame
    of all channels in neighbouring frames.
    """

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
        pooled = torch.unflatten(x.mean((2, 3)), 0, (-1, self.frames)).transpose(1, 2)  # (N, C, T)
        inner = F.relu(self.kernel_bn(self.kernel_fc1(pooled.flatten(0, 1))))
        kernels = torch.unflatten(self.kernel_fc2(inner).softmax(1), 0, pooled.shape[:2])
        gate = torch.sigmoid(self.gate_conv2(F.relu(self.gate_bn(self.gate_conv1(pooled)))))
        clip = torch.unflatten(x, 0, (-1, self.frames)).permute(0, 1, 3, 4, 2)  # (N, T, H, W, C)
        gated = clip * gate.transpose(1, 2)[:, :, None, None]
        pad = self.kernel // 2
        padded = F.pad(gated, (0, 0, 0, 0, 0, 0, pad, pad))
        taps = kernels.unsqueeze(1).unbind(3)  # each (N, 1, C)
        out = torch.zeros_like(gated)
        for i, tap in enumerate(taps):
            out = out + tap[:, :, None, None] * padded[:, i : i + self.frames]
        return out.permute(0, 1, 4, 2, 3).flatten(0, 1)
