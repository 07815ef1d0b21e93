"""A study as one page: what was compared and how, a table, plots, classes, each run.

The page holds all it shows and asks nothing of a network; its bytes are a function of the results
and of the versions of stspec and plotly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from stspec import __version__
from stspec.compose.locate import data_root
from stspec.study.records import Result
from stspec.study.report.confusions import Outcome, outcomes_block
from stspec.study.report.details import Detail, details_block
from stspec.study.report.encode import as_json, packed, packed_json, script_hash
from stspec.study.report.evolution import Graph, evolution_block
from stspec.study.report.facts import Group, cautions, facts, lead, protocol
from stspec.study.report.gains import Gains, contribution_rows, gains_block
from stspec.study.report.plots import plotly_packed, plotly_source
from stspec.study.report.rows import (
    Column,
    cell,
    columns,
    latency,
    ordered,
    pooling,
    series,
    share,
)
from stspec.study.report.temporality import Temporality, class_block, table_rows
from stspec.study.standing import Row

if TYPE_CHECKING:
    from markupsafe import Markup

SCRIPTS = ("core", "table", "cost", "gains", "evolution", "run", "classes", "temporality", "start")
_SECTIONS = (
    {"id": "how", "title": "What was compared"},
    {"id": "models", "title": "Models"},
    {"id": "gains", "title": "Gains"},
    {"id": "classes", "title": "Classes"},
    {"id": "run", "title": "One model"},
)
_NO_GAINS = (
    "No two models differ in pooling, backbone or length alone, and none differs from the "
    "baseline in its policy alone."
)
_NO_CLASSES = "No predictions on videos were kept, so nothing is known of single classes."
_NO_LATENCY = (
    "No latency was measured: `stspec study run` measures that of each model when it is trained."
)
_LATENCY = (
    "Latency is of one clip at a time, measured on each run's own device when it was trained; "
    "other work on that machine makes it longer. `stspec bench` compares models side by side."
)


@dataclass(frozen=True)
class Subject:
    """What a page tells of."""

    title: str
    results: tuple[Result, ...]
    """One's own and published ones, in the order of the study."""
    details: tuple[Detail | None, ...]
    """Of each result."""
    outcomes: tuple[Outcome | None, ...]
    """Of each result."""
    gains: Gains = field(default_factory=Gains)
    plan: tuple[Row, ...] = ()
    """How all runs of the study stand, if that is known."""
    about: str = ""
    notes: tuple[str, ...] = ()
    """Sources of what is published, and what else is to be known."""
    classes: Temporality = field(default_factory=Temporality)
    """The temporal gains of classes."""
    graphs: tuple[Graph, ...] = ()
    """From the baseline to the other models."""

    def __post_init__(self) -> None:
        assert len(self.results) == len(self.details) == len(self.outcomes)


def render(subject: Subject) -> str:
    """Return the page. Every text is escaped, and its scripts alone may run.

    Raises:
        SpecError: if plotly is not installed.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(data_root() / "templates" / "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["coded"] = _coded
    return environment.get_template("page.html.j2").render(_context(subject))


def _coded(text: str) -> Markup:
    """Return a text with what stands between backticks as code, all of it escaped."""
    from markupsafe import Markup

    parts = [Markup("<code>{}</code>" if i % 2 else "{}").format(part)
             for i, part in enumerate(text.split("`"))]  # fmt: skip
    return Markup("").join(parts)


def _context(subject: Subject) -> dict[str, Any]:
    from markupsafe import Markup

    results = subject.results
    shown = columns(results)
    known, cells = outcomes_block(subject.outcomes)
    script = _script()
    has_classes = any(subject.outcomes)
    return {
        "title": subject.title,
        "version": __version__,
        "lead": lead(results, len(subject.plan), subject.about),
        "security": _security(script),
        "style": Markup(_asset("style.css")),
        "sections": _SECTIONS,
        "facts": facts(results, subject.details, subject.plan),
        "cautions": cautions(results),
        "protocol": _groups(protocol(results, subject.details, subject.plan)),
        "rows": _rows(results, shown),
        "nothing": _nothing(len(subject.plan)),
        "columns": shown,
        "filters": _filters(results, shown),
        "accuracies": _accuracies(results),
        "costs": _costs(results),
        "cost_notes": [_LATENCY if any(map(latency, results)) else _NO_LATENCY] if results else [],
        "data_sets": _data_sets(results),
        "caption": _caption(results),
        "kinds": subject.gains.kinds,
        "contributions": contribution_rows(subject.gains),
        "contribution_data": subject.gains.data,
        "contribution_about": subject.gains.about,
        "gain_notes": subject.gains.notes,
        "no_gains": _NO_GAINS,
        "graphs": subject.graphs,
        "baseline": subject.gains.baseline,
        "temporality": subject.classes,
        "temporality_tables": [table_rows(each) for each in subject.classes.tables],
        "has_classes": has_classes,
        "no_classes": _NO_CLASSES,
        "footer": [*subject.notes, _made_by()],
        "data": Markup(as_json(_data(subject, shown))),
        "gains": Markup(packed_json(_worth(subject))),
        "details": Markup(packed_json(details_block(subject.details))),
        "outcomes": Markup(packed_json(known) if has_classes else ""),
        "confusions": Markup(packed(cells) if has_classes else ""),
        "plotly": Markup(plotly_packed()),
        "script": Markup(script),
    }


def _worth(subject: Subject) -> dict[str, Any]:
    return {
        **gains_block(subject.gains, series(subject.results)),
        "evolution": evolution_block(subject.graphs, subject.gains.baseline),
        "classes": class_block(subject.classes),
    }


@cache
def _asset(name: str) -> str:
    text = (data_root() / "templates" / "report" / name).read_text(encoding="utf-8")
    return text.rstrip("\n")


@cache
def _script() -> str:
    parts = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    return f'\n(() => {{\n"use strict";\n{parts}\n}})();\n'


def _security(script: str) -> str:
    """Return the page's policy: its two scripts run, nothing is fetched."""
    allowed = f"{script_hash(script)} {script_hash(plotly_source())}"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _groups(groups: Sequence[Group]) -> list[Group]:
    return [group for group in groups if group.rows]


def _rows(results: Sequence[Result], shown: Sequence[Column]) -> list[dict[str, Any]]:
    mixed = len({each.source for each in results}) > 1
    return [
        {
            "number": number,
            "cells": [cell(column, each) for column in shown],
            "published": mixed and each.source == "published",
        }
        for number, each in enumerate(results)
    ]


def _filters(results: Sequence[Result], shown: Sequence[Column]) -> list[dict[str, Any]]:
    return [
        {
            "column": column.id,
            "title": column.title,
            "choices": ordered(column.value(each) for each in results),
        }
        for column in shown
        if column.facet
    ]


def _accuracies(results: Sequence[Result]) -> list[dict[str, str]]:
    titles = {"top1": "top-1", "top5": "top-5", "mean_class": "class mean"}
    return [
        {"id": id, "title": title}
        for id, title in titles.items()
        if any(share(getattr(each, id)) is not None for each in results)
    ]


def _costs(results: Sequence[Result]) -> list[dict[str, str]]:
    found = [{"id": "macs", "title": "GMACs"}, {"id": "params", "title": "parameters"}]
    if any(map(latency, results)):
        found.append({"id": "latency", "title": "measured latency"})
    return found


def _data_sets(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(each.facets.data for each in results))


def _caption(results: Sequence[Result]) -> str:
    count = Counter(each.source for each in results)
    if len(count) == 1 or not results:
        return "Models of the study; GMACs are of one clip, in multiply-accumulates."
    return (
        f"{count['yours']:,} of yours, {count['published']:,} published (in grey); GMACs are of "
        "one clip, in multiply-accumulates."
    )


def _nothing(planned: int) -> str:
    if planned:
        return f"None of the {planned:,} planned runs is finished: `stspec study run` goes on."
    return "There are no results yet: `stspec study run STUDY` makes some."


def _made_by() -> str:
    return f"Made by stspec {__version__}. The page holds all that it shows and fetches nothing."


def _data(subject: Subject, shown: Sequence[Column]) -> dict[str, Any]:
    results = subject.results
    name = series(results)
    settings = list(dict.fromkeys(path for each in results for path in each.settings))
    return {
        "columns": [
            {"id": each.id, "title": each.title, "numeric": each.numeric} for each in shown
        ],
        "filters": [
            {"column": each["column"], "values": each["choices"]}
            for each in _filters(results, shown)
        ],
        "settings": settings,
        "data_sets": _data_sets(results),
        "policies": list(dict.fromkeys(name(each.facets) for each in results)),
        "backbones": list(dict.fromkeys(each.facets.backbone for each in results)),
        "pooled": ordered(pooling(each.facets) for each in results),
        "lengths": ordered(each.facets.frames for each in results),
        "accuracies": _accuracies(results),
        "mixed": len({each.source for each in results}) > 1,
        "runs": [
            {
                "name": each.name,
                "key": each.key,
                "data": each.facets.data,
                "policy": name(each.facets),
                "backbone": each.facets.backbone,
                "tp": each.facets.temporal_pooling,
                "frames": each.facets.frames,
                "published": each.source == "published",
                "top1": share(each.top1),
                "top5": share(each.top5),
                "mean_class": share(each.mean_class),
                "macs": each.macs or None,
                "params": each.params or None,
                "latency": latency(each),
                "settings": [_setting(each, path) for path in settings],
                "cells": [column.value(each) for column in shown],
            }
            for each in results
        ],
    }


def _setting(result: Result, path: str) -> str:
    value = result.settings.get(path)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
