"""a perceptron over the features of all frames in a row; BNInception by default.

Clip (N, 3, 8, 224, 224); 11.60 M parameters, 16.26 GMACs.
Paper: Köpüklü et al., Comparative Analysis of
    CNN-based Spatiotemporal Reasoning in
    Videos, 2020
Paper: Ioffe and Szegedy, Batch Normalization, ICML 2015

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'mlp'.
math f6e8d719e92ecd10, weights 647cf6a14fe574bc.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ScaleRelations(nn.Module):
    """Relations of one scale, which share a perceptron, summed."""

    index: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        chosen: list[list[int]],
        hidden: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.count, self.scale = len(chosen), len(chosen[0])
        self.register_buffer("index", torch.tensor(chosen).flatten(), persistent=False)
        widths = [self.scale * in_features, *[hidden] * layers]
        inner: list[nn.Module] = [nn.ReLU()]
        for i in range(layers):
            inner += [nn.Linear(widths[i], hidden), nn.ReLU(), nn.Dropout(dropout)]
        self.mlp = nn.Sequential(*inner, nn.Linear(hidden, out_features))

    def chosen(self, x: Tensor) -> Tensor:
        """Return the frames of all relations, one relation behind the other."""
        return self.index

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) -> (N, K)."""
        frames = x.index_select(1, self.chosen(x))
        rows = torch.unflatten(frames, 1, (self.count, self.scale)).flatten(2)
        scores: Tensor = self.mlp(rows)
        return scores.sum(1)


def binomial(n: int, k: int) -> int:
    """Return how many sets of k there are among n."""
    result = 1
    for i in range(k):
        result = result * (n - i) // (i + 1)
    return result


def relation(frames: int, scale: int, rank: int) -> list[int]:
    """Return the relation of this rank in the lexicographic list of all of a scale."""
    chosen: list[int] = []
    for frame in range(frames):
        missing = scale - len(chosen)
        containing = binomial(frames - frame - 1, missing - 1) if missing else 0
        if rank < containing:
            chosen.append(frame)
        else:
            rank -= containing
    return chosen


def relations(frames: int, scale: int, count: int, first: bool) -> list[list[int]]:
    """Return up to `count` relations: the first of the lexicographic list, or evenly spread."""
    total = binomial(frames, scale)
    count = min(count, total)
    ranks = [i if first else (2 * i + 1) * total // (2 * count) for i in range(count)]
    return [relation(frames, scale, rank) for rank in ranks]


class Relations(nn.Module):
    """Relations of several scales, summed; all scales from T to 2 where none are named."""

    scale_class = ScaleRelations

    def __init__(
        self,
        in_features: int,
        out_features: int,
        frames: int,
        hidden: int,
        scales: tuple[int, ...] = (),
        count: int = 3,
        first: bool = False,
        layers: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        chosen = [
            relations(frames, scale, count, first)
            for scale in scales or range(frames, min(frames - 1, 1), -1)
        ]
        self.scales = nn.ModuleList(
            self.scale_class(in_features, out_features, each, hidden, layers, dropout)
            for each in chosen
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) -> (N, K)."""
        return torch.stack([scale(x) for scale in self.scales]).sum(0)


class ConvUnit(nn.Module):
    """Convolution, batch norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size=kernel, stride=stride, padding=kernel // 2
        )
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Inception module."""

    def __init__(
        self,
        in_channels: int,
        branch1: int,
        reduce2: int,
        branch2: int,
        reduce3: int,
        branch3: int,
        branch4: int,
    ) -> None:
        super().__init__()
        self.branch1 = ConvUnit(in_channels, branch1, kernel=1)
        self.branch2 = nn.Sequential(
            ConvUnit(in_channels, reduce2, kernel=1), ConvUnit(reduce2, branch2, kernel=3)
        )
        self.branch3 = nn.Sequential(
            ConvUnit(in_channels, reduce3, kernel=1),
            ConvUnit(reduce3, branch3, kernel=3),
            ConvUnit(branch3, branch3, kernel=3),
        )
        self.branch4 = nn.Sequential(
            nn.AvgPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            ConvUnit(in_channels, branch4, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        branch1 = self.branch1(x)
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        branch4 = self.branch4(x)
        return torch.cat([branch1, branch2, branch3, branch4], dim=1)


class DownsampleInception(nn.Module):
    """Inception module that halves the resolution."""

    def __init__(self, in_channels: int, branch2: int, reduce3: int, branch3: int) -> None:
        super().__init__()
        self.branch2 = nn.Sequential(
            ConvUnit(in_channels, 128, kernel=1), ConvUnit(128, branch2, kernel=3, stride=2)
        )
        self.branch3 = nn.Sequential(
            ConvUnit(in_channels, reduce3, kernel=1),
            ConvUnit(reduce3, branch3, kernel=3),
            ConvUnit(branch3, branch3, kernel=3, stride=2),
        )
        self.branch4 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        branch4 = self.branch4(x)
        return torch.cat([branch2, branch3, branch4], dim=1)


class Inception2(nn.Module):
    """Inception module."""

    def __init__(self) -> None:
        super().__init__()
        self.branch1 = ConvUnit(1024, 352, kernel=1)
        self.branch2 = nn.Sequential(ConvUnit(1024, 192, kernel=1), ConvUnit(192, 320, kernel=3))
        self.branch3 = nn.Sequential(
            ConvUnit(1024, 192, kernel=1),
            ConvUnit(192, 224, kernel=3),
            ConvUnit(224, 224, kernel=3),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            ConvUnit(1024, 128, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        branch1 = self.branch1(x)
        branch2 = self.branch2(x)
        branch3 = self.branch3(x)
        branch4 = self.branch4(x)
        return torch.cat([branch1, branch2, branch3, branch4], dim=1)


class MLP(nn.Module):
    """MLP for clips of 8 frames."""

    def __init__(self, num_classes: int = 27) -> None:
        super().__init__()
        self.conv1 = ConvUnit(3, 64, kernel=7, stride=2)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.conv2 = ConvUnit(64, 64, kernel=1)
        self.conv3 = ConvUnit(64, 192, kernel=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, 64, 64, 64, 96, 32)
        self.inception3b = Inception(256, 64, 64, 96, 64, 96, 64)
        self.inception3c = DownsampleInception(320, 160, 64, 96)
        self.inception4a = Inception(576, 224, 64, 96, 96, 128, 128)
        self.inception4b = Inception(576, 192, 96, 128, 96, 128, 128)
        self.inception4c = Inception(576, 160, 128, 160, 128, 160, 128)
        self.inception4d = Inception(608, 96, 128, 192, 160, 192, 128)
        self.inception4e = DownsampleInception(608, 192, 192, 256)
        self.inception5a = Inception(1056, 352, 192, 320, 160, 224, 128)
        self.inception5b = Inception2()
        self.dropout = nn.Dropout(0.3)
        self.reduce = nn.Linear(1024, 256)
        self.relation = Relations(256, num_classes, frames=8, hidden=512, scales=(8,), dropout=0.2)

        for module in self.modules():
            if type(module) is nn.Conv2d:
                weight = module.weight.data
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
                module.weight.data = weight.contiguous(memory_format=torch.channels_last)

    def forward(self, clip: Tensor) -> Tensor:
        x = clip.transpose(1, 2).flatten(0, 1)  # (N*8, 3, 224, 224)
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.conv1(x)  # (N*8, 64, 112, 112)
        x = self.maxpool1(x)  # (N*8, 64, 56, 56)
        x = self.conv2(x)  # (N*8, 64, 56, 56)
        x = self.conv3(x)  # (N*8, 192, 56, 56)
        x = self.maxpool2(x)  # (N*8, 192, 28, 28)
        x = self.inception3a(x)  # (N*8, 256, 28, 28)
        x = self.inception3b(x)  # (N*8, 320, 28, 28)
        x = self.inception3c(x)  # (N*8, 576, 14, 14)
        x = self.inception4a(x)  # (N*8, 576, 14, 14)
        x = self.inception4b(x)  # (N*8, 576, 14, 14)
        x = self.inception4c(x)  # (N*8, 608, 14, 14)
        x = self.inception4d(x)  # (N*8, 608, 14, 14)
        x = self.inception4e(x)  # (N*8, 1056, 7, 7)
        x = self.inception5a(x)  # (N*8, 1024, 7, 7)
        x = self.inception5b(x)  # (N*8, 1024, 7, 7)
        x = x.mean((-2, -1))  # (N*8, 1024)
        x = self.dropout(x)  # (N*8, 1024)
        x = self.reduce(x)  # (N*8, 256)
        out: Tensor = self.relation(torch.unflatten(x, 0, (-1, 8)))  # (N, 27)
        return out  # (N, 27)
