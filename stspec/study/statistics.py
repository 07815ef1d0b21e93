"""How sure a difference is: bootstrap over videos and seeds, McNemar's test, Holm's correction.

Efron and Tibshirani, An Introduction to the Bootstrap, 1993; McNemar, Note on the sampling error
of the difference between correlated proportions, 1947; Holm, A simple sequentially rejective
multiple test procedure, 1979. Imports no torch; scipy where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stspec.diagnostics import Diagnostic, SpecError
from stspec.rng import Key, keyed_seed
from stspec.study.outcomes import Bools, Floats

DRAWS = 2000
"""Resamples of an interval."""
LEVEL = 0.95
_AT_ONCE = 1 << 22
"""Numbers that are held at once while videos are drawn."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its interval; without one (None) where there are no predictions."""

    estimate: float
    low: float | None = None
    high: float | None = None
    level: float = LEVEL
    seeds: int = 1
    """Of the cell that has fewest."""
    videos: int = 0

    @property
    def excludes_zero(self) -> bool | None:
        """Tell whether 0 lies outside; None where there is no interval."""
        if self.low is None or self.high is None:
            return None
        return self.low > 0 or self.high < 0

    @property
    def seeds_text(self) -> str:
        """Return on how many seeds the figure stands, plainly."""
        return "n = 1 seed" if self.seeds == 1 else f"n = {self.seeds} seeds"


@dataclass(frozen=True)
class Replicates:
    """Accuracies of C cells, each resampled D times, all by the same draws of videos."""

    accuracy: Floats
    """(D, C)"""
    estimate: Floats
    """(C,): of the videos and seeds that there are."""
    seeds: tuple[int, ...]
    """(C,)"""
    videos: int

    def interval(self, statistic: Callable[[Floats], Floats], *, level: float = LEVEL) -> Interval:
        """Return a figure that follows from the cells' accuracies, by the percentile method.

        Args:
            statistic: from accuracies (..., C) to figures (...).
            level: share of such intervals that hold the true figure.
        """
        estimate = float(statistic(self.estimate))
        drawn = statistic(self.accuracy)
        drawn = drawn[np.isfinite(drawn)]  # of few videos a draw may leave a share undefined
        low = high = None
        if drawn.size:
            low, high = map(float, np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]))
        return Interval(estimate, low, high, level, min(self.seeds), self.videos)

    def pick(self, columns: Sequence[int]) -> Replicates:
        """Return some of the cells."""
        chosen = list(columns)
        seeds = tuple(self.seeds[column] for column in chosen)
        return Replicates(self.accuracy[:, chosen], self.estimate[chosen], seeds, self.videos)

    def difference(self, a: int = 0, b: int = 1, *, level: float = LEVEL) -> Interval:
        """Return the accuracy of cell b less that of cell a."""
        return self.interval(lambda cells: cells[..., b] - cells[..., a], level=level)

    def p_value(self, a: int = 0, b: int = 1) -> float:
        """Return the two-sided p-value that cells a and b are equally often right.

        It is the level at which the interval of their difference would begin to hold 0.
        """
        drawn = self.accuracy[:, b] - self.accuracy[:, a]
        tail = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
        return min(1.0, 2 * (tail + 1) / (len(drawn) + 1))


def resample(
    right: Bools, cells: Sequence[Sequence[int]] | None = None, *, draws: int = DRAWS,
    key: Key = 0,
) -> Replicates:  # fmt: skip
    """Return the accuracies of cells of runs, on videos and seeds drawn anew.

    The videos are drawn with replacement, the same for all runs, so that differences are paired.
    Runs of one cell are its seeds; where it has S > 1 of them, S - 1 are drawn with replacement,
    which makes the variance of their mean that of S seeds (Rao and Wu, Resampling inference with
    complex survey data, 1988). A single seed stays: its interval knows nothing of the seed.
    scipy.stats.bootstrap resamples one level, and one statistic of few samples; this gives any
    statistic of hundreds of runs from one set of draws, and is tested against it.

    Args:
        right: (R, N), as `Outcomes.right`.
        cells: rows of each cell; by default each row is one.
        draws: how many resamples, D.
        key: other keys draw otherwise.
    """
    runs, videos = right.shape
    cells = [[row] for row in range(runs)] if cells is None else cells
    assert videos and all(cells), "a video at least, and a run in every cell"
    generator = np.random.default_rng(keyed_seed("bootstrap", key))
    shares = np.concatenate([*_resampled(right, draws, generator)])
    drawn = [_seeds(shares[:, list(rows)], generator) for rows in cells]
    exact = right.mean(axis=1)
    estimate = np.array([exact[list(rows)].mean() for rows in cells])
    return Replicates(np.stack(drawn, axis=1), estimate, tuple(map(len, cells)), videos)


def _resampled(right: Bools, draws: int, generator: np.random.Generator) -> Iterator[Floats]:
    """Yield accuracies (some, R) on as many videos, drawn with replacement."""
    videos = right.shape[1]
    # In single precision: whole numbers far below 2 ** 24, so exact.
    columns = right.T.astype(np.float32)
    step = max(1, _AT_ONCE // videos)
    for start in range(0, draws, step):
        count = min(step, draws - start)
        places = generator.integers(0, videos, size=(count, videos))
        places += np.arange(count)[:, None] * videos
        often = np.bincount(places.ravel(), minlength=count * videos).reshape(count, videos)
        yield (often.astype(np.float32) @ columns).astype(np.float64) / videos


def _seeds(shares: Floats, generator: np.random.Generator) -> Floats:
    """Return the mean accuracy (D,) of seeds drawn anew from those of a cell, (D, S)."""
    draws, seeds = shares.shape
    if seeds == 1:
        return shares[:, 0]
    chosen = generator.integers(0, seeds, size=(draws, seeds - 1))
    mean: Floats = np.take_along_axis(shares, chosen, axis=1).mean(axis=1)
    return mean


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test of two runs on the same videos: only those that one of them has right count.

    Both p-values are two-sided.
    """

    only_a: int
    only_b: int
    exact: float
    """Of the binomial distribution."""
    corrected: float
    """Of chi square with Edwards' correction for continuity."""


def mcnemar(a: Bools, b: Bools) -> McNemar:
    """Test whether two runs are right equally often.

    Args:
        a: (N,), whether the one is right.
        b: (N,), whether the other is, on the same videos.

    Raises:
        SpecError: if scipy is missing.
    """
    return mcnemar_of_counts(int((a & ~b).sum()), int((b & ~a).sum()))


def mcnemar_of_counts(only_a: int, only_b: int) -> McNemar:
    """Test, from how many videos only the one has right, and only the other.

    >>> round(mcnemar_of_counts(10, 25).exact, 4)
    0.0167

    Raises:
        SpecError: if scipy is missing.
    """
    total = only_a + only_b
    if not total:
        return McNemar(0, 0, 1.0, 1.0)
    try:
        from scipy.special import bdtr, chdtrc
    except ImportError:
        raise needs_extra("McNemar's test", "scipy") from None

    # scipy.stats.binomtest says the same, a thousand times slower.
    exact = min(1.0, 2 * float(bdtr(min(only_a, only_b), total, 0.5)))
    square = max(abs(only_a - only_b) - 1, 0) ** 2 / total
    return McNemar(only_a, only_b, exact, float(chdtrc(1, square)))


def holm(values: Iterable[float]) -> list[float]:
    """Return p-values adjusted for all of a family being looked at (Holm-Bonferroni).

    Refusing those of at most 5 % errs in any of the family in at most 5 % of the cases.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    given = list(values)
    order = sorted(range(len(given)), key=given.__getitem__)
    adjusted = [0.0] * len(given)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(given) - rank) * given[place]))
        adjusted[place] = largest
    return adjusted


def holm_by_family(values: Iterable[tuple[Hashable, float]]) -> list[float]:
    """Return p-values adjusted within their families, each given as (family, p), in order."""
    given = list(values)
    places: dict[Hashable, list[int]] = {}
    for place, (family, _) in enumerate(given):
        places.setdefault(family, []).append(place)
    adjusted = [0.0] * len(given)
    for members in places.values():
        found = holm(given[place][1] for place in members)
        for place, value in zip(members, found, strict=True):
            adjusted[place] = value
    return adjusted


def needs_extra(what: str, library: str) -> SpecError:
    """Return the error that a library of the extra `study` is missing."""
    message = f"{what} needs {library}, which is not installed"
    return SpecError(Diagnostic("missing-extra", message, help="pip install 'stspec[study]'"))
