"""How temporal data are, for the page: gains of classes, how models agree on them, lists."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stspec.study.findings import BASELINE, Findings
from stspec.study.paper_tables import Options, make_table
from stspec.study.tables import Table
from stspec.study.temporality import ClassGains, class_gains, static_classes, temporal_classes

DIGITS = 4
"""Behind the point, of a class's gain: classes have a few hundred videos at most."""


@dataclass(frozen=True, slots=True)
class Temporality:
    """The temporal gains of a study's classes."""

    data: tuple[ClassGains, ...] = ()
    tables: tuple[Table, ...] = ()
    """Average gains, and classes on given lists where there are such."""
    baseline: str = BASELINE
    k: int | None = None

    @property
    def about(self) -> str:
        """Return what a temporal gain is."""
        return (
            "Temporal gain of a class: the accuracy of temporal models on its videos less that of "
            f"{self.baseline} without temporal pooling, of the same backbone on as many frames; "
            "mean over backbones, frames and seeds. The line is the mean of all models."
        )


def temporality(
    found: Findings, baseline: str = BASELINE, given: Mapping[str, Sequence[str]] | None = None,
    k: int | None = None,
) -> Temporality:  # fmt: skip
    """Work out the gains of classes.

    Args:
        found: one's own results; published ones have no predictions.
        baseline: what gains are measured against.
        given: lists of classes that people call temporal, by their names.
        k: how many classes are called temporal, and static; by default as the study has it.
    """
    known = tuple(each for each in class_gains(found, baseline=baseline) if len(each.classes) > 1)
    if not known:
        return Temporality(baseline=baseline)
    options = Options(baseline=baseline, given=dict(given or {}), k=k)
    names = ["table10", *(["table9"] if given else [])]
    tables = tuple(make_table(name, found, options) for name in names)
    return Temporality(known, tuple(t for t in tables if t.rows), baseline, k)


def class_block(told: Temporality) -> list[dict[str, Any]]:
    """Return the gains of classes for the page, the largest first, data set by data set."""
    return [_block(each, told.k) for each in told.data]


def _block(each: ClassGains, k: int | None) -> dict[str, Any]:
    ranked = each.ranked()
    at = [each.classes.index(name) for name in ranked]
    temporal, static = set(temporal_classes(each, k)), set(static_classes(each, k))
    return {
        "data": each.data,
        "models": each.models,
        "classes": ranked,
        "kinds": ["t" if n in temporal else "s" if n in static else "" for n in ranked],
        "counts": [each.counts[i] for i in at],
        "mean": _plain(each.mean[at].tolist()),
        "gains": [_plain(row[at].tolist()) for row in each.gains],
        "agreement": [
            [1.0 if a == b else _rounded(each.correlation(a, b)) for b in each.models]
            for a in each.models
        ],
    }


def _plain(values: Iterable[float]) -> list[float | None]:
    return [_rounded(value) for value in values]


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, DIGITS)


def table_rows(table: Table) -> dict[str, Any]:
    """Return a table as the page has it: without the names of classes that fill a screen."""
    kept = [i for i, column in enumerate(table.columns) if column.name != "first"]
    texts = [[row[i].replace("-", "\N{MINUS SIGN}") if _signed(row[i]) else row[i] for i in kept]
             for row in table.texts()]  # fmt: skip
    return {
        "id": table.name,
        "title": table.title,
        "columns": [(table.columns[i].heading, table.columns[i].kind != "text") for i in kept],
        "rows": texts,
    }


def _signed(text: str) -> bool:
    return text[:1] == "-" and text[1:2].isdigit()
