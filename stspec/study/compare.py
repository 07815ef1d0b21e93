"""One run against another, or one choice against another over all that else is equal.

Imports torch where a run's spec is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stspec.diagnostics import Diagnostic, SpecError
from stspec.diff import Diff, diff
from stspec.evaluate.predictions import read_answers
from stspec.network import Network
from stspec.study.findings import Comparison, Findings
from stspec.study.outcomes import join
from stspec.study.records import Facets, Result
from stspec.study.sources import facets_of, file_result, results_of, select
from stspec.study.statistics import DRAWS, Interval


@dataclass(frozen=True, slots=True)
class ClassChange:
    """A class, and by how much b is more accurate on it, in shares."""

    name: str
    change: float
    videos: int


@dataclass(frozen=True)
class Versus:
    """What b has more than a; of several pairs of models, the mean over the pairs."""

    a: str
    b: str
    pairs: tuple[Comparison, ...]
    differences: Mapping[str, Interval]
    """Top-1 of b less that of a, mean over pairs, by data set."""
    top1: Mapping[str, tuple[float, float]]
    """Top-1 of a and of b, mean over pairs, by data set."""
    params: tuple[int, int] | None
    macs: tuple[int, int] | None
    """Of one clip, where there is one pair and both are known."""
    classes: Mapping[str, tuple[ClassChange, ...]]
    """By data set, the largest gain first; empty without predictions."""
    settings: Mapping[str, tuple[Any, Any]]
    """What the study set differently, of one pair."""
    diff: Diff | None
    """Of the specs, of one pair of runs whose folders are there."""
    unmatched: int = 0
    """Models that have no partner that is otherwise equal."""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values; shares lie in [0, 1]."""
        from stspec.diff.report import to_plain

        told = {
            name: getattr(self, name)
            for name in ("a", "b", "params", "macs", "settings", "unmatched", "notes")
        }
        told["data"] = {
            data: {
                "top1": list(self.top1[data]),
                "difference": asdict(self.differences[data]),
                "classes": [asdict(each) for each in self.classes.get(data, ())],
            }
            for data in self.differences
        }
        told["pairs"] = [asdict(each) for each in self.pairs]
        told["diff"] = None if self.diff is None else to_plain(self.diff)
        return told


def versus(
    a: str,
    b: str,
    source: str | None = None,
    *,
    study: str | None = None,
    draws: int = DRAWS,
    say: Callable[[str], None] | None = None,
) -> Versus:
    """Compare two runs, files of predictions, or choices.

    Args:
        a: a run's folder, a file of predictions (.npz); of a source also a run's name or key, or
            facets: ``policy=tsn``.
        b: another; of facets, each model of a meets that of b which is equal in all facets that
            are not named on both sides.
        source: a store's folder, or ``published:NAME``.
        study: of the store, if it is to be looked up in that one alone.
        draws: resamples of the intervals.
        say: is told, in one line, why a result of the source is passed over.

    Returns:
        The difference with its interval, tests, classes, costs, and the specs' difference.

    Raises:
        SpecError: if one of them is not there, or they cannot be compared.
    """
    known = None if source is None else results_of(source, study, say)
    left, right = _side(a, known, source), _side(b, known, source)
    if len(left) == len(right) == 1:
        return _single(left[0], right[0], draws)
    return _several(a, b, left, right, draws)


def _side(text: str, known: Sequence[Result] | None, source: str | None) -> list[Result]:
    path = Path(text)
    if "=" not in text and path.exists():
        found = file_result(path)
        if found is not None:
            return [found]
    if known is None:
        message = f"`{text}` is neither a run's folder nor a file of predictions"
        help = "say with --store which store it is a run or a choice of"
        raise SpecError(Diagnostic("unknown-run", message, help=help))
    return select(known, text)


def _single(left: Result, right: Result, draws: int) -> Versus:
    # Whatever they are called, here they are two cells of the same videos.
    one = Facets("", "", "a", False, 0)
    mine = replace(left, facets=one, source="yours")
    theirs = replace(right, facets=replace(one, policy="b"), source="yours")
    for each in (left, right):
        if each.top1 is None:
            message = f"nothing is known of how accurate `{each.name}` is"
            raise SpecError(Diagnostic("no-metrics", message, help="stspec eval RUN"))
    found = _Pair(mine, theirs, draws)
    pairs = found.compare([(mine.facets, theirs.facets)])
    costs = all(each.macs for each in (left, right))
    settings = {
        name: (left.settings.get(name), right.settings.get(name))
        for name in dict.fromkeys((*left.settings, *right.settings))
        if left.settings.get(name) != right.settings.get(name)
    }
    (pair,) = pairs
    told = left.facets.data if left.facets.data == right.facets.data else ""
    if left.facets.data != right.facets.data and pair.difference.low is None:
        message = f"`{left.name}` and `{right.name}` are of other data"
        help = f"{left.facets.data} and {right.facets.data}: their accuracies do not compare"
        raise SpecError(Diagnostic("other-videos", message, help=help))
    difference = _diff(left, right, found.notes)
    return Versus(
        left.name,
        right.name,
        pairs=tuple(pairs),
        differences={told: pair.difference},
        top1={told: (found.top1(pair.a), found.top1(pair.b))},
        params=(left.params, right.params) if costs else None,
        macs=(left.macs, right.macs) if costs else None,
        classes={told: _classes(found, "", pairs)},
        settings=settings,
        diff=difference,
        notes=tuple(found.notes),
    )


class _Pair(Findings):
    """Two runs, whose predictions lie where they lie; those that do not go together are refused."""

    def __init__(self, a: Result, b: Result, draws: int) -> None:
        same = a.key == b.key
        super().__init__([a, replace(b, key=f"{b.key} (b)") if same else b], draws=draws)
        paths = [_predictions(each) for each in self.results]
        self._outcomes[""] = None
        if not all(paths):
            self.notes.append("no interval and no test: there are no predictions of both")
            return
        joined = join(
            (run.key, run.name, read_answers(path))
            for run, path in zip(self.results, paths, strict=True)
            if path is not None
        )
        self._outcomes[""] = joined
        if joined.left_out:
            told = f"{joined.left_out} videos are left out: one of the two has not seen them"
            self.notes.append(told)


def _predictions(result: Result) -> Path | None:
    given = result.extra.get("predictions")
    path = Path(given) if isinstance(given, str) else result.predictions
    return path if path is not None and path.is_file() else None


def _several(a: str, b: str, left: Sequence[Result], right: Sequence[Result], draws: int) -> Versus:
    for text in (a, b):
        if "=" not in text:
            message = f"`{text}` is one run, and the other side is several"
            help = "compare two runs, or two choices: policy=tsn policy=tam"
            raise SpecError(Diagnostic("unequal-sides", message, help=help))
    named = set(facets_of(a)) & set(facets_of(b))
    every = {run.key: run for run in (*left, *right)}
    found = Findings(every.values(), draws=draws)
    mine, theirs = _by_rest(left, named, a), _by_rest(right, named, b)
    pairs = [(mine[key], theirs[key]) for key in mine if key in theirs]
    if not pairs:
        message = f"no model of `{a}` has a partner of `{b}` that is equal in all other facets"
        help = "name more facets, such as policy=tam,backbone=resnet50"
        raise SpecError(Diagnostic("no-pairs", message, help=help))
    told = found.compare(pairs)
    differences, top1, classes = {}, {}, {}
    for data in dict.fromkeys(pair.a.data for pair in told):
        own = [pair for pair in told if pair.a.data == data]
        sides = [side for pair in own for side in (pair.a, pair.b)]
        differences[data] = found.figure(
            sides, lambda cells: (cells[..., 1::2] - cells[..., 0::2]).mean(axis=-1)
        )
        means = [float(np.mean([found.top1(side) for side in sides[i::2]])) for i in (0, 1)]
        top1[data] = means[0], means[1]
        classes[data] = _classes(found, data, own)
    return Versus(
        a,
        b,
        pairs=tuple(told),
        differences=differences,
        top1=top1,
        params=None,
        macs=None,
        classes=classes,
        settings={},
        diff=None,
        unmatched=len(mine) + len(theirs) - 2 * len(pairs),
        notes=tuple(found.notes),
    )


_Rest = tuple[tuple[str, Any], ...]


def _by_rest(runs: Sequence[Result], named: set[str], text: str) -> dict[_Rest, Facets]:
    """Return cells by what they have to share with their partner.

    Raises:
        SpecError: `several-partners`, if that is not one cell each.
    """
    found: dict[_Rest, Facets] = {}
    for facets in dict.fromkeys(run.facets for run in runs if run.top1 is not None):
        other = found.setdefault(_rest(facets, named), facets)
        if other != facets:
            message = f"`{text}` has several models that are equal but for their head"
            help = f"say which: {text},head={other.head or facets.head}"
            raise SpecError(Diagnostic("several-partners", message, help=help))
    return found


def _rest(facets: Facets, named: set[str]) -> _Rest:
    """Return what partners share: facets not named on both sides; heads go with policies."""
    left_out = named | ({"head"} if "policy" in named else set())
    return tuple((name, value) for name, value in asdict(facets).items() if name not in left_out)


def _classes(found: Findings, data: str, pairs: Sequence[Comparison]) -> tuple[ClassChange, ...]:
    joined = found.outcomes(data)
    if joined is None:
        return ()
    row = {key: number for number, key in enumerate(joined.names)}
    if any(run.key not in row for p in pairs for s in (p.a, p.b) for run in found.cells[s]):
        return ()
    accuracy = joined.class_accuracy
    sides = [
        [accuracy[[row[run.key] for run in found.cells[side]]].mean(axis=0) for side in (p.a, p.b)]
        for p in pairs
    ]
    change = np.mean([b - a for a, b in sides], axis=0)
    counts = joined.class_counts.tolist()
    named = zip(joined.classes, change.tolist(), counts, strict=True)
    told = [ClassChange(*each) for each in named if each[2]]
    return tuple(sorted(told, key=lambda each: -each.change))


def _diff(left: Result, right: Result, notes: list[str]) -> Diff | None:
    """Return how the specs differ; where one cannot be read, the notes tell why."""
    try:
        a, b = _network(left), _network(right)
    except SpecError as error:
        notes.append(f"the specs are not compared: {error.diagnostics[0].message}")
        return None
    return None if a is None or b is None else diff(a, b)


def _network(result: Result) -> Network | None:
    from stspec.runs.directory import is_run, open_run

    if result.folder is None or not is_run(result.folder):
        return None
    return open_run(result.folder).network()
