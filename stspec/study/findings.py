"""The results of a study by cells, with what tells how sure their accuracies are. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stspec.diagnostics import Diagnostic, SpecError
from stspec.evaluate.predictions import Answers, read_answers
from stspec.study.outcomes import Floats, Outcomes, join
from stspec.study.records import Facets, Result
from stspec.study.statistics import (
    DRAWS,
    Interval,
    McNemar,
    Replicates,
    holm_by_family,
    mcnemar,
    resample,
)

BASELINE = "tsn"
"""The policy that sees space alone; without temporal pooling."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One cell against another: what b has more than a."""

    a: Facets
    b: Facets
    difference: Interval
    """Top-1 accuracy of b less that of a, in shares."""
    p: float | None = None
    """McNemar's exact test of single runs, else of the bootstrap; None without predictions."""
    adjusted: float | None = None
    """The same after Holm's correction within its family."""
    mcnemar: McNemar | None = None
    """Of single runs alone."""


class Findings:
    """The results of a study, read once for all tables and figures.

    A cell is what runs with the same facets are: they differ by seed. Predictions are read when
    the first interval of a data set is asked for; where a cell has none it has no interval, and
    where they cannot be joined `notes` says why.

    Raises:
        SpecError: `mixed-sources`, if some are published and some are not.
    """

    def __init__(
        self,
        results: Iterable[Result],
        *,
        draws: int = DRAWS,
        read: Callable[[Path], Answers] = read_answers,
    ) -> None:
        self.results = tuple(results)
        self.draws = draws
        self._answers = read
        self.notes: list[str] = []
        self.cells: dict[Facets, list[Result]] = {}
        if len({each.source for each in self.results}) > 1:
            message = "published results and one's own are no runs of one study"
            help = "the table `published` puts them beside one another"
            raise SpecError(Diagnostic("mixed-sources", message, help=help))
        for each in self.results:
            if each.top1 is not None:
                self.cells.setdefault(each.facets, []).append(each)
        mixed = [runs for runs in self.cells.values() if _differ(runs)]
        if mixed:
            self.notes.append(
                f"{len(mixed)} cells hold runs that differ by more than their seed, such as "
                f"{mixed[0][0].name} and {mixed[0][1].name}; their accuracies are averaged"
            )
        self._outcomes: dict[str, Outcomes | None] = {}
        self._replicates: dict[str, tuple[Replicates, dict[Facets, int]] | None] = {}

    @property
    def data(self) -> list[str]:
        """Return the data sets, in the order of the results."""
        return list(dict.fromkeys(facets.data for facets in self.cells))

    @property
    def seeds_told(self) -> tuple[str, ...]:
        """Return, plainly, that nothing is known of seeds where there is but one."""
        alone = any(len(r) == 1 and r[0].source == "yours" for r in self.cells.values())
        return ("n = 1 seed: such intervals are over videos, and know nothing of seeds",) * alone

    def top1(self, facets: Facets) -> float:
        """Return a cell's top-1 accuracy, mean over seeds."""
        return float(np.mean([run.top1 for run in self.cells[facets] if run.top1 is not None]))

    def top5(self, facets: Facets) -> float | None:
        """Return a cell's top-5 accuracy, mean over the seeds that have one."""
        known = [run.top5 for run in self.cells[facets] if run.top5 is not None]
        return float(np.mean(known)) if known else None

    def clip_top1(self, facets: Facets) -> float | None:
        """Return a cell's top-1 accuracy at clip level, mean over the seeds that have one."""
        told = [run.extra.get("clip_top1") for run in self.cells[facets]]
        known = [value for value in told if isinstance(value, float)]
        return float(np.mean(known)) if known else None

    def macs(self, facets: Facets) -> int:
        """Return the MACs of one clip of a cell's model."""
        return self.cells[facets][0].macs

    def baseline(self, facets: Facets, policy: str = BASELINE) -> Facets | None:
        """Return the cell that a model's gain by time is measured against, if there is one.

        It has the same data, backbone, frames and sampling, and no temporal pooling; its head is
        its own.
        """
        return self.find(replace(facets, policy=policy, temporal_pooling=False))

    def find(self, wanted: Facets) -> Facets | None:
        """Return the cell of these facets, or of these but for its head."""
        if wanted in self.cells:
            return wanted
        return next((f for f in self.cells if replace(f, head=wanted.head) == wanted), None)

    def outcomes(self, data: str) -> Outcomes | None:
        """Return what the runs of a data set that have predictions have right, by their keys."""
        if data not in self._outcomes:
            self._outcomes[data] = self._read(data)
        return self._outcomes[data]

    def figure(self, cells: Sequence[Facets], statistic: Callable[[Floats], Floats]) -> Interval:
        """Return a figure of some cells of one data set, with its interval where it has one.

        Args:
            cells: in the order that the statistic takes their accuracies.
            statistic: from accuracies (..., C) to figures (...).
        """
        drawn = self._drawn(cells[0].data)
        if drawn is None or any(cell not in drawn[1] for cell in cells):
            accuracy = np.array([self.top1(cell) for cell in cells])
            seeds = min(len(self.cells[cell]) for cell in cells)
            return Interval(float(statistic(accuracy)), seeds=seeds)
        columns = [drawn[1][cell] for cell in cells]
        return drawn[0].pick(columns).interval(statistic)

    def compare(
        self,
        pairs: Iterable[tuple[Facets, Facets]],
        family: Callable[[Facets, Facets], str] = lambda a, b: a.data,
    ) -> list[Comparison]:
        """Return what the second of each pair has more than the first.

        Args:
            pairs: cells of the same data.
            family: which comparisons are looked at together, for Holm's correction; by default
                those of a data set.
        """
        found = [self._comparison(a, b) for a, b in pairs]
        tested = [i for i, each in enumerate(found) if each.p is not None]
        values = [(family(found[i].a, found[i].b), found[i].p or 0.0) for i in tested]
        for i, value in zip(tested, holm_by_family(values), strict=True):
            found[i] = replace(found[i], adjusted=value)
        return found

    def _comparison(self, a: Facets, b: Facets) -> Comparison:
        difference = self.figure([a, b], lambda cells: cells[..., 1] - cells[..., 0])
        joined = self.outcomes(a.data)
        if joined is None or difference.low is None:
            return Comparison(a, b, difference)
        if len(self.cells[a]) == len(self.cells[b]) == 1:
            rows = [joined.names.index(self.cells[each][0].key) for each in (a, b)]
            test = mcnemar(joined.right[rows[0]], joined.right[rows[1]])
            return Comparison(a, b, difference, test.exact, None, test)
        drawn = self._drawn(a.data)
        assert drawn is not None
        return Comparison(a, b, difference, drawn[0].p_value(drawn[1][a], drawn[1][b]))

    def _drawn(self, data: str) -> tuple[Replicates, dict[Facets, int]] | None:
        if data not in self._replicates:
            self._replicates[data] = self._resampled(data)
        return self._replicates[data]

    def _resampled(self, data: str) -> tuple[Replicates, dict[Facets, int]] | None:
        joined = self.outcomes(data)
        if joined is None:
            return None
        row = {key: number for number, key in enumerate(joined.names)}
        whole = {
            facets: [row[run.key] for run in runs]
            for facets, runs in self.cells.items()
            if facets.data == data and all(run.key in row for run in runs)
        }
        if not whole:
            return None
        drawn = resample(joined.right, list(whole.values()), draws=self.draws)
        return drawn, {facets: column for column, facets in enumerate(whole)}

    def _read(self, data: str) -> Outcomes | None:
        known = [
            (run.key, run.name, answers)
            for facets, cell in self.cells.items()
            for run in cell
            if facets.data == data and (answers := self._answers_of(run)) is not None
        ]
        if not known:
            return None
        lacking = [
            run.name for facets, cell in self.cells.items() for run in cell
            if facets.data == data and (run.predictions is None or not run.predictions.is_file())
        ]  # fmt: skip
        if lacking:
            others = f" and {len(lacking) - 1} others" if len(lacking) > 1 else ""
            self.notes.append(
                f"no intervals of {lacking[0]}{others}: without predictions on the videos"
            )
        try:
            found = join(known)
        except SpecError as error:
            self.notes.append(f"no intervals on {data}: {error.diagnostics[0].message}")
            return None
        if found.left_out:
            self.notes.append(
                f"{found.left_out} videos of {data} are left out of intervals: "
                "not all runs have them"
            )
        return found

    def _answers_of(self, run: Result) -> Answers | None:
        if run.predictions is None or not run.predictions.is_file():
            return None
        try:
            return self._answers(run.predictions)
        except SpecError as error:
            self.notes.append(f"{run.name} has no interval: {error.diagnostics[0].message}")
            return None


def _differ(runs: Sequence[Result]) -> bool:
    """Tell whether runs of one cell differ by more than their seed."""
    told = [{k: v for k, v in run.settings.items() if k != "seed"} for run in runs]
    return any(each != told[0] for each in told)


def findings(results: Iterable[Result] | Findings) -> Findings:
    """Return results as findings; what are findings already, as they are."""
    return results if isinstance(results, Findings) else Findings(results)
