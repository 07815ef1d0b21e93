"""From results to what a page tells of them: folders are read, figures worked out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stspec.diagnostics import SpecError
from stspec.study.records import Result
from stspec.study.report.confusions import Outcome, read_outcome
from stspec.study.report.details import read_detail
from stspec.study.report.page import Subject

Say = Callable[[str], None]


def collect(
    title: str,
    results: Sequence[Result],
    *,
    planned: int = 0,
    about: str = "",
    notes: Sequence[str] = (),
    say: Say | None = None,
) -> Subject:
    """Return what a page tells of results.

    Args:
        title: of the page.
        results: one's own and published ones, in the order in which they are listed.
        planned: how many runs the study has, if that is known.
        about: a sentence about the study.
        notes: for the foot of the page.
        say: is told, in one line, what could not be read.
    """
    outcomes = tuple(_outcome(each, say) for each in results)
    return Subject(
        title, tuple(results), tuple(map(read_detail, results)), outcomes, planned,
        about, tuple(notes),
    )  # fmt: skip


def _outcome(result: Result, say: Say | None) -> Outcome | None:
    path = result.predictions
    if path is None or not path.is_file():
        return None
    try:
        return read_outcome(path)
    except SpecError as error:
        if say is not None:
            say(f"{result.name}: {error.diagnostics[0].message}; its classes are left out")
        return None
