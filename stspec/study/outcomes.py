"""Which videos each run has right: what comparisons with intervals are made of. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stspec.diagnostics import Diagnostic, SpecError
from stspec.evaluate.metrics import hot
from stspec.evaluate.predictions import Answers

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """R runs on the same N videos of K classes."""

    names: tuple[str, ...]
    """Keys of the runs."""
    ids: tuple[str, ...]
    classes: tuple[str, ...]
    bears: Bools
    """(N, K): which video bears which class."""
    right: Bools
    """(R, N): whether the run's first class is one that the video bears."""
    left_out: int = 0
    """Videos that some of the runs have and others have not."""

    def __post_init__(self) -> None:
        assert self.right.shape == (len(self.names), len(self.ids))
        assert self.bears.shape == (len(self.ids), len(self.classes))

    @property
    def accuracy(self) -> Floats:
        """Return each run's share of videos that are right, (R,)."""
        shares: Floats = self.right.mean(axis=1)
        return shares

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """Return how many videos bear each class, (K,)."""
        counts: NDArray[np.int64] = self.bears.sum(axis=0, dtype=np.int64)
        return counts

    @property
    def class_accuracy(self) -> Floats:
        """Return each run's accuracy on each class, (R, K); NaN where no video bears it."""
        counts = self.class_counts.astype(np.float64)
        # In single precision the sums are whole numbers, so exact, and quick.
        hits = (self.right.astype(np.float32) @ self.bears.astype(np.float32)).astype(np.float64)
        return np.divide(hits, counts, out=np.full_like(hits, np.nan), where=counts > 0)


def join(found: Iterable[tuple[str, str, Answers]]) -> Outcomes:
    """Return what runs have right, on the videos that all of them have.

    Args:
        found: key, name and answers of each run.

    Raises:
        SpecError: `other-videos` if their classes differ, or they have no video in common, or
            say different labels of one.
    """
    joint: _Joint | None = None
    for key, name, each in found:
        joint = joint or _Joint(name, each)
        joint.add(key, name, each)
    assert joint is not None, "of one run at least"
    return joint.outcomes()


class _Joint:
    """Outcomes that are being gathered; the first run's videos are the measure of the others'."""

    def __init__(self, name: str, first: Answers) -> None:
        self.name, self.first = name, first
        self.truth = hot(first.labels, len(first.classes))
        self.labels = dict(zip(first.ids, map(frozenset, first.labels), strict=True))
        self.keys: list[str] = []
        self.known: list[tuple[tuple[str, ...], Bools]] = []

    def add(self, key: str, name: str, each: Answers) -> None:
        if each.classes != self.first.classes:
            raise _apart(self.name, name, "their classes differ")
        ids, truth = self.first.ids, self.truth
        # Most runs have the same videos: what is known of them is kept once.
        if (each.ids, each.labels) != (ids, self.first.labels):
            self._check_labels(name, each)
            ids, truth = each.ids, hot(each.labels, len(each.classes))
        self.keys.append(key)
        self.known.append((ids, truth[np.arange(len(ids)), each.first]))

    def outcomes(self) -> Outcomes:
        first = self.first.ids
        shared = set(first).intersection(*(ids for ids, _ in self.known if ids is not first))
        at = [place for place, id in enumerate(first) if id in shared]
        if not at:
            raise _apart(self.name, "the others", "no video is in all of them")
        ids = tuple(first[place] for place in at)
        right = np.stack([_at(own, row, ids) for own, row in self.known])
        left_out = len(self.labels) - len(ids)
        return Outcomes(
            tuple(self.keys), ids, self.first.classes, self.truth[at], right, left_out
        )  # fmt: skip

    def _check_labels(self, name: str, each: Answers) -> None:
        for id, numbers in zip(each.ids, each.labels, strict=True):
            if self.labels.setdefault(id, frozenset(numbers)) != frozenset(numbers):
                raise _apart(self.name, name, f"they say different labels of {id}")
        if not set(self.first.ids).intersection(each.ids):
            raise _apart(self.name, name, "they have no video in common")


def _at(own: tuple[str, ...], row: Bools, ids: tuple[str, ...]) -> Bools:
    """Return a row in the order of other ids."""
    if own == ids:
        return row
    places = {id: place for place, id in enumerate(own)}
    return row[[places[id] for id in ids]]


def _apart(a: str, b: str, reason: str) -> SpecError:
    message = f"`{a}` and `{b}` cannot be compared video by video: {reason}"
    help = "evaluate both on the same data: stspec eval RUN --data LIST"
    return SpecError(Diagnostic("other-videos", message, help=help))
