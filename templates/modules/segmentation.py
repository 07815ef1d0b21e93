"""Stages of a temporal convolutional network (Farha and Gall, "MS-TCN", CVPR 2019).

Features of frames (N, T, C) become scores of frames (N, T, K).
"""

import torch.nn.functional as F
from torch import Tensor, nn


class DilatedResidual(nn.Module):
    """A dilated convolution along time, ReLU and a 1x1 one, added to their input."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        padding = kernel // 2 * dilation
        self.dilated = nn.Conv1d(channels, channels, kernel, padding=padding, dilation=dilation)
        self.conv = nn.Conv1d(channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T) -> (N, C, T)."""
        residual: Tensor = self.dropout(self.conv(F.relu(self.dilated(x))))
        return x + residual


class TemporalStage(nn.Module):
    """Layers whose dilation grows from one to the next, and scores of every frame."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        channels: int = 64,
        layers: int = 10,
        kernel: int = 3,
        growth: int = 2,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv1d(in_features, channels, 1)
        self.layers = nn.Sequential(
            *(DilatedResidual(channels, kernel, growth**i, dropout) for i in range(layers))
        )
        self.conv_out = nn.Conv1d(channels, out_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) -> (N, T, K)."""
        scores: Tensor = self.conv_out(self.layers(self.conv_in(x.transpose(1, 2))))
        return scores.transpose(1, 2)


class RefiningStage(TemporalStage):
    """A stage that reads the scores of the one before, as probabilities."""

    def __init__(
        self,
        out_features: int,
        channels: int = 64,
        layers: int = 10,
        kernel: int = 3,
        growth: int = 2,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(out_features, out_features, channels, layers, kernel, growth, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, K) -> (N, T, K)."""
        return super().forward(x.softmax(2))
