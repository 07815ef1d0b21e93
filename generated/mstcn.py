"""temporal convolutions in four stages, scores of every frame, on I3D's features; 50Salads by.

Features (N, 1024, 2048); 0.80 M parameters, 0.81 GMACs.
Paper: Farha and Gall, MS-TCN: Multi-Stage Temporal Convolutional Network, CVPR 2019

N clips of T frames; shapes in comments are those of the features above.

Written by stspec 0.1.0 from the spec 'mstcn'.
math 4a69079d0662d06d, weights cf924c3a827a8041.
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


class MSTCN(nn.Module):
    """MS-TCN for features of 1024 frames."""

    def __init__(self, num_classes: int = 19) -> None:
        super().__init__()
        self.stage1 = TemporalStage(2048, num_classes)
        self.stage2 = RefiningStage(num_classes)
        self.stage3 = RefiningStage(num_classes)
        self.stage4 = RefiningStage(num_classes)

    def forward(self, features: Tensor) -> Tensor:
        x = self.stage1(features)  # (N, 1024, 19)
        x = self.stage2(x)  # (N, 1024, 19)
        x = self.stage3(x)  # (N, 1024, 19)
        out: Tensor = self.stage4(x)  # (N, 1024, 19)
        return out  # (N, 1024, 19)
