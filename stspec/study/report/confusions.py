"""What models made of the validation videos: right by class, and confusions, packed small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stspec.study.report.encode import varints

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

ROOM = 1_600_000
"""Bytes of all confusions before they are packed; beyond them the rarest are left out."""


@dataclass(frozen=True)
class Outcome:
    """A run's videos by label and first class."""

    classes: tuple[str, ...]
    confusion: Ints
    """(K, K): row the label, column the first class."""


def read_outcome(path: Path) -> Outcome | None:
    """Return the outcome of a file of predictions; None where videos bear several labels.

    Raises:
        SpecError: if the file is damaged, or has no labels.
    """
    from stspec.evaluate.predictions import read_predictions

    found = read_predictions(path)
    confusion = found.metrics().confusion
    return None if confusion is None else Outcome(found.classes, confusion)


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
        confusion = outcome.confusion
        counts = tuple(confusion.sum(axis=1).tolist())
        number = sets.setdefault((outcome.classes, counts), len(sets))
        right = confusion.diagonal().tolist()
        runs.append({"set": number, "correct": right, "cells": place[:2], "left": place[2]})
    named = [{"classes": list(classes), "counts": list(counts)} for classes, counts in sets]
    return {"sets": named, "runs": runs}, cells


def _all_cells(
    outcomes: Sequence[Outcome | None], least: int
) -> tuple[list[tuple[int, int, int] | None], bytes]:
    """Return offset, number and those left out of each run's cells, and the bytes of all."""
    found = bytearray()
    places: list[tuple[int, int, int] | None] = []
    for outcome in outcomes:
        if outcome is None:
            places.append(None)
            continue
        steps, counts, left = _cells(outcome.confusion, least)
        places.append((len(found), len(steps), left))
        found += varints(steps) + varints(counts)
    return places, bytes(found)


def _cells(confusion: Ints, least: int) -> tuple[list[int], list[int], int]:
    """Return the steps between cells of at least so many videos, their counts, and the rest."""
    import numpy as np

    flat = confusion.ravel()
    kept = np.flatnonzero(flat >= least)
    left = int(np.count_nonzero(flat)) - len(kept)
    return np.diff(kept, prepend=0).tolist(), flat[kept].tolist(), left
