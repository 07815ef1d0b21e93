"""From results to what a page tells of them: folders are read, figures worked out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stspec.diagnostics import SpecError
from stspec.evaluate.predictions import Answers, read_answers
from stspec.study.contribution import Definition
from stspec.study.findings import BASELINE, Findings
from stspec.study.records import Result
from stspec.study.report.confusions import Outcome, outcome
from stspec.study.report.details import read_detail
from stspec.study.report.evolution import graphs
from stspec.study.report.gains import gains
from stspec.study.report.page import Subject
from stspec.study.report.temporality import temporality
from stspec.study.standing import Row

Say = Callable[[str], None]


def collect(
    title: str,
    results: Sequence[Result],
    *,
    plan: Sequence[Row] = (),
    about: str = "",
    notes: Sequence[str] = (),
    baseline: str = BASELINE,
    definition: Definition = "table",
    given: Mapping[str, Sequence[str]] | None = None,
    say: Say | None = None,
) -> Subject:
    """Return what a page tells of results.

    Args:
        title: of the page.
        results: one's own and published ones, in the order in which they are listed.
        plan: how all runs of the study stand, if that is known.
        about: a sentence about the study.
        notes: for the foot of the page.
        baseline: the policy that spatial contribution and temporal improvement are measured by.
        definition: of these two.
        given: lists of classes that people call temporal, by their names.
        say: is told, in one line, what could not be read.
    """
    read = _Reader()
    outcomes = tuple(_outcome(each, read, say) for each in results)
    sides = [
        (Findings([each for each in results if each.source == source], read=read), published)
        for source, published in (("yours", False), ("published", True))
    ]
    told = temporality(sides[0][0], baseline, given)
    steps = graphs(sides, baseline)
    return Subject(
        title, tuple(results), tuple(map(read_detail, results)), outcomes,
        gains(sides, baseline, definition), tuple(plan), about, tuple(notes), told, steps,
    )  # fmt: skip


@dataclass
class _Reader:
    """Reads each file of predictions once."""

    known: dict[Path, Answers | SpecError] = field(default_factory=dict)

    def __call__(self, path: Path) -> Answers:
        if path not in self.known:
            try:
                self.known[path] = read_answers(path)
            except SpecError as error:
                self.known[path] = error
        found = self.known[path]
        if isinstance(found, SpecError):
            raise found
        return found


def _outcome(result: Result, read: _Reader, say: Say | None) -> Outcome | None:
    path = result.predictions
    if path is None or not path.is_file():
        return None
    try:
        return outcome(read(path))
    except SpecError as error:
        if say is not None:
            say(f"{result.name}: {error.diagnostics[0].message}; its classes are left out")
        return None
