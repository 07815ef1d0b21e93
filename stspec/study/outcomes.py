"""Which videos each run has right: what comparisons with intervals are made of. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stspec.diagnostics import Diagnostic, SpecError
from stspec.evaluate.metrics import hot
from stspec.evaluate.predictions import Predictions

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


def join(found: Iterable[tuple[str, str, Predictions]]) -> Outcomes:
    """Return what runs have right, on the videos that all of them have.

    Predictions are taken one at a time, so that those of hundreds of runs need not fit into
    memory together.

    Args:
        found: key, name and predictions of each run.

    Raises:
        SpecError: `other-videos` if their classes differ, or they have no video in common, or
            say different labels of one; also if scores are not finite or labels are missing.
    """
    keys: list[str] = []
    known: list[tuple[tuple[str, ...], Bools]] = []
    labels: dict[str, frozenset[int]] = {}
    first: tuple[str, Predictions] | None = None
    for key, name, each in found:
        first = first or (name, each)
        each.check()
        if each.classes != first[1].classes:
            raise _apart(first[0], name, "their classes differ")
        same = keys and (each.ids, each.labels) == (first[1].ids, first[1].labels)
        for id, numbers in () if same else zip(each.ids, each.labels, strict=True):
            if labels.setdefault(id, frozenset(numbers)) != frozenset(numbers):
                raise _apart(first[0], name, f"they say different labels of {id}")
        keys.append(key)
        # Most runs have the same videos: their names are kept once.
        known.append((first[1].ids if each.ids == first[1].ids else each.ids, _right(each)))
        if not set(known[0][0]).intersection(known[-1][0]):
            raise _apart(first[0], name, "they have no video in common")
    assert first is not None, "of one run at least"
    shared = set(first[1].ids).intersection(*(ids for ids, _ in known if ids != first[1].ids))
    ids = tuple(id for id in first[1].ids if id in shared)
    if not ids:
        raise _apart(first[0], "the others", "no video is in all of them")
    bears = hot([sorted(labels[id]) for id in ids], len(first[1].classes))
    right = np.stack([_at(own, row, ids) for own, row in known])
    return Outcomes(tuple(keys), ids, first[1].classes, bears, right, len(labels) - len(ids))


def _right(found: Predictions) -> Bools:
    """Return whether the first class of each video is one that it bears, (N,)."""
    truth = hot(found.labels, len(found.classes))
    right: Bools = truth[np.arange(len(truth)), found.fused.argmax(axis=1)]
    return right


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
