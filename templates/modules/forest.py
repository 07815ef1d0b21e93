"""Neural decision forest (Kontschieder et al., ICCV 2015): (N, T, C) -> probabilities (N, K)."""

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
