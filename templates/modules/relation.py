"""Relations between frames (Zhou et al., "Temporal Relational Reasoning in Videos", ECCV 2018).

Features (N, T, C) become scores (N, K). A relation of scale s is s frames in their order, whose
features stand in a row.
"""

import torch
from torch import Tensor, nn


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


class DrawnScaleRelations(ScaleRelations):
    """In training, relations are sets of frames drawn at random."""

    def chosen(self, x: Tensor) -> Tensor:
        """Return the frames of all relations, one relation behind the other."""
        if not self.training:
            return self.index
        order = torch.rand(self.count, x.shape[1], device=x.device).argsort(1)
        return order[:, : self.scale].sort(1).values.flatten()


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


class DrawnRelations(Relations):
    """Relations of several scales, which are drawn anew in every training step."""

    scale_class = DrawnScaleRelations
