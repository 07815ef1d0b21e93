"""a neural decision forest over the features of frames, small; gives probabilities; BNInceptio.

Clip (N, 3, 8, 224, 224); 29.75 M parameters, 16.27 GMACs.
Paper: Köpüklü et al., Comparative Analysis of
    CNN-based Spatiotemporal Reasoning in
    Videos, 2020
Paper: Ioffe and Szegedy, Batch Normalization, ICML 2015

N clips of T frames; shapes in comments are those of the clip above.

Written by stspec 0.1.0 from the spec 'forest'.
math 5298446410838320, weights b49131c76505e4ed.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DecisionTree(nn.Module):
    """A complete binary tree, whose inner nodes lead left with a probability.

    Node n (the root is 1) has the children 2n and 2n + 1; decision 0 is never taken.
    """

    def __init__(self, in_features: int, out_features: int, depth: int, share: float) -> None:
        super().__init__()
        self.depth = depth
        seen = int(in_features * share)
        picked = torch.randperm(in_features)[:seen]
        mask = F.one_hot(picked, in_features).t().float()
        self.mask = nn.Parameter(mask, requires_grad=False)
        self.leaves = nn.Parameter(torch.rand(2**depth, out_features))
        self.decide = nn.Linear(seen, 2**depth)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F) -> (N, K)."""
        left = self.decide(x @ self.mask).sigmoid()
        reached = torch.ones_like(left[:, :1])
        for level in range(self.depth):
            decision = left[:, 2**level : 2 ** (level + 1)]
            reached = torch.stack([reached * decision, reached * (1 - decision)], 2).flatten(1)
        return reached @ self.leaves.softmax(1)


class DecisionForest(nn.Module):
    """Two layers and a norm, then trees, whose probabilities are averaged."""

    def __init__(
        self, in_features: int, out_features: int, trees: int, depth: int, share: float = 0.5
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(in_features, in_features)
        self.dropout = nn.Dropout(0.2)
        self.fc2 = nn.Linear(in_features, in_features)
        self.bn = nn.BatchNorm1d(in_features)
        self.trees = nn.ModuleList(
            DecisionTree(in_features, out_features, depth, share) for _ in range(trees)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) -> (N, K)."""
        hidden = F.relu(self.dropout(self.fc1(F.relu(x.flatten(1)))))
        features = self.bn(self.fc2(hidden))
        return torch.stack([tree(features) for tree in self.trees]).mean(0)


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


class Forest(nn.Module):
    """DNDF for clips of 8 frames."""

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
        self.forest = DecisionForest(2048, num_classes, trees=5, depth=6)

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
        out: Tensor = self.forest(torch.unflatten(x, 0, (-1, 8)))  # (N, 27)
        return out  # (N, 27)
