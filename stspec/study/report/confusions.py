"""What models made of the validation videos: right by class, and confusions, packed small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stspec.study.report.encode import varints

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stspec.evaluate.predictions import Answers

    Ints = NDArray[np.int64]

ROOM = 1_600_000
"""Bytes of all confusions before they are packed; beyond them the rarest are left out."""


@dataclass(frozen=True)
class Outcome:
    """A run's videos by label and first class: those of the confusion's cells that are not 0."""

    classes: tuple[str, ...]
    cells: Ints
    """Their places in rising order, label times K plus first class."""
    often: Ints
    """How many videos each holds."""

    @property
    def counts(self) -> list[int]:
        """Return how many videos bear each class."""
        return self._sums(self.cells // len(self.classes), self.often)

    @property
    def correct(self) -> list[int]:
        """Return how many videos of each class are right."""
        labels, first = self.cells // len(self.classes), self.cells % len(self.classes)
        right = labels == first
        return self._sums(labels[right], self.often[right])

    def _sums(self, at: Ints, often: Ints) -> list[int]:
        import numpy as np

        found = np.zeros(len(self.classes), dtype=np.int64)
        np.add.at(found, at, often)
        return [int(each) for each in found]


def outcome(answers: Answers) -> Outcome | None:
    """Return the outcome of a run; None where videos bear several labels."""
    import numpy as np

    if answers.multi_label or not answers.ids:
        return None
    labels = np.fromiter((each[0] for each in answers.labels), np.int64, len(answers.labels))
    cells, often = np.unique(labels * len(answers.classes) + answers.first, return_counts=True)
    return Outcome(answers.classes, cells, often)


def outcomes_block(outcomes: Sequence[Outcome | None]) -> tuple[dict[str, Any], bytes]:
    """Return what the page needs of outcomes, and the cells of all confusions.

    The first has `sets` of classes with their counts of videos, and for each run its set, how many
    of each class were right, and where its cells lie: `[offset, number]`. Cells are in order of
    rows and columns: steps from one to the next, then their counts.
    """
    least = 1
    while len(cells := _all_cells(outcomes, least)[1]) > ROOM:
        least += 1
    places, cells = _all_cells(outcomes, least)
    sets: dict[tuple[tuple[str, ...], tuple[int, ...]], int] = {}
    runs: list[dict[str, Any] | None] = []
    for outcome, place in zip(outcomes, places, strict=True):
        if outcome is None or place is None:
            runs.append(None)
            continue
        number = sets.setdefault((outcome.classes, tuple(outcome.counts)), len(sets))
        told = {"set": number, "correct": outcome.correct}
        runs.append(told | {"cells": place[:2], "left": place[2]})
    named = [{"classes": list(classes), "counts": list(counts)} for classes, counts in sets]
    return {"sets": named, "runs": runs}, cells


def _all_cells(
    outcomes: Sequence[Outcome | None], least: int
) -> tuple[list[tuple[int, int, int] | None], bytes]:
    """Return offset, number and those left out of each run's cells, and the bytes of all.

    Cells of fewer videos than `least` are left out.
    """
    import numpy as np

    found = bytearray()
    places: list[tuple[int, int, int] | None] = []
    for outcome in outcomes:
        if outcome is None:
            places.append(None)
            continue
        kept = outcome.often >= least
        cells, often = outcome.cells[kept], outcome.often[kept]
        places.append((len(found), len(cells), len(outcome.cells) - len(cells)))
        found += varints(np.diff(cells, prepend=0)) + varints(often)
    return places, bytes(found)
