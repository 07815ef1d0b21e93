"""The models as rows of a table: columns that differ, figures as they are read, filters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from stspec.study.published import counterparts, same_model
from stspec.study.records import Facets, Result

Value = str | int | float | None
DASH = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of models."""

    id: str
    title: str
    value: Callable[[Result], Value]
    text: Callable[[Any], str] = str
    numeric: bool = False
    facet: bool = False
    """Whether models can be filtered by it; if all have the same there it is no column."""
    help: str = ""


def share_text(value: float) -> str:
    """Return a share in per cent, without the sign."""
    return f"{100 * value:.1f}"


def points_text(value: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    sign = "\N{MINUS SIGN}" if value < 0 else "+"
    return f"{sign}{abs(100 * value):.1f}"


def share(value: object) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def latency(result: Result) -> float | None:
    """Return the measured latency of a clip in milliseconds, if it was measured."""
    found = share(result.extra.get("latency_ms"))
    return found if found is not None and found > 0 else None


def pooling(facets: Facets) -> str:
    """Return whether time is pooled, as a word."""
    return "pooled" if facets.temporal_pooling else "not pooled"


def series(results: Sequence[Result]) -> Callable[[Facets], str]:
    """Return what models are told apart by first: the policy where it varies, else the head."""
    for name in ("policy", "head", "backbone", "sampling"):
        if len({getattr(each.facets, name) for each in results}) > 1:
            return partial(_named, name)
    return partial(_named, "policy")


def _named(name: str, facets: Facets) -> str:
    # Where a head takes the place of a policy it is what is compared.
    value = facets.head if name == "policy" and facets.policy == "none" else ""
    return value or str(getattr(facets, name))


def printed_top1(result: Result) -> float | None:
    """Return the published top-1 accuracy of the same model on data of the same name, if any."""
    told = counterparts().get(same_model(result.facets), ())
    return told[0][1] if told and result.source == "yours" else None


def columns(results: Sequence[Result]) -> list[Column]:
    """Return the columns of a table: facets that differ, and figures that are known."""

    def gain(result: Result) -> float | None:
        other = printed_top1(result)
        return None if other is None or result.top1 is None else result.top1 - other

    every = [
        Column("name", "Model", lambda result: result.name),
        Column("top1", "Top-1 %", lambda result: share(result.top1), share_text, numeric=True),
        Column("published", "Published %", printed_top1, share_text, numeric=True,
               help="top-1 accuracy that was published of the same model"),
        Column("gain", "Difference", gain, points_text, numeric=True,
               help="yours less published, in percentage points of top-1 accuracy"),
        Column("source", "Source", lambda result: result.source, facet=True),
        Column("data", "Data", lambda result: result.facets.data, facet=True),
        Column("policy", "Policy", lambda result: result.facets.policy, facet=True),
        Column("backbone", "Backbone", lambda result: result.facets.backbone, facet=True),
        Column("pooling", "Time", lambda result: pooling(result.facets), facet=True,
               help="whether time is pooled between stages"),
        Column("frames", "Frames", lambda result: result.facets.frames, numeric=True, facet=True),
        Column("sampling", "Sampling", lambda result: result.facets.sampling, facet=True),
        Column("head", "Head", lambda result: result.facets.head, facet=True),
        Column("seed", "Seed", lambda result: result.seed, numeric=True, facet=True),
        Column("top5", "Top-5 %", lambda result: share(result.top5), share_text, numeric=True),
        Column("mean_class", "Class mean %", lambda result: share(result.mean_class), share_text,
               numeric=True),
        Column("macs", "GMACs", lambda result: result.macs or None, _giga, numeric=True,
               help="multiply-accumulates of a clip"),
        Column("params", "Params M", lambda result: result.params or None, _mega, numeric=True),
        Column("latency", "Latency ms", latency, lambda value: f"{value:.1f}", numeric=True),
    ]  # fmt: skip
    return [column for column in every if column.id == "name" or _worth(column, results)]


def _worth(column: Column, results: Sequence[Result]) -> bool:
    values = {column.value(result) for result in results}
    return len(values) > 1 if column.facet else values != {None}


def cell(column: Column, result: Result) -> str:
    """Return what stands in the table."""
    value = column.value(result)
    return DASH if value is None or value == "" else column.text(value)


def ordered(values: Iterable[Value]) -> list[Value]:
    """Return different values, numbers by size, texts as they come."""
    found = list(dict.fromkeys(values))
    numbers = [value for value in found if isinstance(value, int | float)]
    return [*sorted(numbers), *(value for value in found if isinstance(value, str))]


def _giga(value: int) -> str:
    return f"{value / 1e9:,.2f}" if value >= 10_000_000 else f"{value / 1e9:.4f}"


def _mega(value: int) -> str:
    return f"{value / 1e6:,.2f}" if value >= 10_000 else f"{value / 1e6:.4f}"
