"""What scores are worth: accuracies, confusion, average precision. Plain numpy.

Among equal scores the class of the lower number stands first, so that every metric is a function
of the scores alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Labels = Sequence[Sequence[int]]

NOWHERE = 2**62
"""The place of a class that a video does not bear."""


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One class: how many videos bear it, how many of them were right, its average precision."""

    name: str
    count: int
    correct: int
    accuracy: float | None
    """Share of its videos whose first class it is; None where there are none."""
    average_precision: float | None


@dataclass(frozen=True)
class Metrics:
    """Metrics of N videos. Shares lie in [0, 1]; None where they are not defined."""

    count: int
    top1: float | None
    top5: float | None
    mean_class: float | None
    """Mean accuracy over the classes that occur."""
    mean_ap: float | None
    """Mean average precision over the classes that occur; of several labels alone."""
    loss: float | None
    """Mean of -log p(label); of one label alone."""
    classes: tuple[ClassMetrics, ...]
    confusion: Ints | None
    """(K, K): row the label, column the first class; of one label alone."""

    def to_json(self, *, confusion: bool = True) -> dict[str, Any]:
        """Return plain values for a file."""
        told: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("count", "top1", "top5", "mean_class", "mean_ap", "loss")
        }
        told["classes"] = [
            {name: getattr(each, name) for name in ClassMetrics.__slots__} for each in self.classes
        ]
        if confusion and self.confusion is not None:
            told["confusion"] = self.confusion.tolist()
        return told


def measure(
    scores: Floats, labels: Labels, classes: Sequence[str], *, multi_label: bool = False
) -> Metrics:
    """Return all metrics of probabilities (N, K).

    Args:
        scores: one row a video, finite.
        labels: the classes that each video bears; exactly one each unless ``multi_label``.
        classes: K names.
        multi_label: a video is right at k if any of its classes is among the first k; average
            precision is given, confusion and loss are not.
    """
    assert scores.shape == (len(labels), len(classes)), "a row a video, a column a class"
    assert np.isfinite(scores).all(), "scores are finite"
    truth = hot(labels, len(classes))
    places = best_places(scores, truth)
    right = first_is_right(scores, truth)
    counts = truth.sum(axis=0)
    hits = (truth & right[:, None]).sum(axis=0)
    shares = [float(h / n) if n else None for h, n in zip(hits, counts, strict=True)]
    precisions: list[float | None] = [None] * len(classes)
    if multi_label:
        precisions = [average_precision(scores[:, c], truth[:, c]) for c in range(len(classes))]
    rows = zip(classes, counts, hits, shares, precisions, strict=True)
    single = not multi_label and len(labels) > 0
    return Metrics(
        count=len(labels),
        top1=_mean(places < 1),
        top5=_mean(places < 5),
        mean_class=_mean([share for share in shares if share is not None]),
        mean_ap=_mean([each for each in precisions if each is not None]) if multi_label else None,
        loss=_loss(scores, labels) if single else None,
        classes=tuple(ClassMetrics(n, int(c), int(h), a, p) for n, c, h, a, p in rows),
        confusion=confusion(scores, [row[0] for row in labels]) if single else None,
    )


def hot(labels: Labels, classes: int) -> NDArray[np.bool_]:
    """Return which video bears which class, (N, K)."""
    truth = np.zeros((len(labels), classes), dtype=np.bool_)
    for row, numbers in zip(truth, labels, strict=True):
        row[list(numbers)] = True
    return truth


def best_places(scores: Floats, truth: NDArray[np.bool_]) -> Ints:
    """Return the place (N,), from 0, of each video's best class; NOWHERE if it bears none."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(truth, order, axis=1)
    found = ranked.argmax(axis=1)
    places: Ints = np.where(ranked.any(axis=1), found, NOWHERE).astype(np.int64)
    return places


def first_is_right(scores: Floats, truth: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell of each video whether the first class is one that it bears."""
    return best_places(scores, truth) < 1


def confusion(scores: Floats, labels: Sequence[int]) -> Ints:
    """Return how often a video of each class (row) is taken for each class (column), (K, K)."""
    table = np.zeros((scores.shape[1], scores.shape[1]), dtype=np.int64)
    np.add.at(table, (np.asarray(labels, dtype=np.int64), scores.argmax(axis=1)), 1)
    return table


def average_precision(scores: Floats, truth: NDArray[np.bool_]) -> float | None:
    """Return the sum over thresholds of precision times gain of recall; None without positives.

    Videos of equal scores pass a threshold together, and nothing is interpolated.
    """
    positives = int(truth.sum())
    if not positives:
        return None
    order = np.argsort(-scores, kind="stable")
    ranked, ordered = truth[order], scores[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    hits = np.cumsum(ranked)[last]
    taken = (np.arange(len(ordered)) + 1)[last]
    gains = np.diff(hits, prepend=0)
    return math.fsum((hits / taken * gains).tolist()) / positives


def _loss(scores: Floats, labels: Labels) -> float:
    own = scores[np.arange(len(labels)), [row[0] for row in labels]].astype(np.float64)
    # A probability that was rounded to 0 is at most the smallest number.
    return float(-np.log(np.maximum(own, np.finfo(np.float64).tiny)).mean())


def _mean(values: Sequence[float] | NDArray[np.bool_]) -> float | None:
    return float(np.mean(values)) if len(values) else None
