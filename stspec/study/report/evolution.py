"""How the baseline becomes the other models by single changes: a graph for each kind of model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stspec.study.figures import evolution, evolution_label, evolution_panel
from stspec.study.findings import BASELINE, Findings
from stspec.study.records import Facets
from stspec.study.report.gains import rounded


@dataclass(frozen=True, slots=True)
class Graph:
    """Models of one backbone, length and data set, and the steps between them."""

    title: str
    published: bool
    models: tuple[dict[str, Any], ...]
    steps: tuple[dict[str, Any], ...]


def graphs(
    sides: Iterable[tuple[Findings, bool]], baseline: str = BASELINE
) -> tuple[Graph, ...]:  # fmt: skip
    """Return the graphs in which there is a step, in the order of the results.

    Args:
        sides: one's own findings and published ones, each with whether it is published.
        baseline: the policy that they start from.
    """
    return tuple(
        graph for found, published in sides for graph in _graphs(found, published, baseline)
    )


def _graphs(found: Findings, published: bool, baseline: str) -> list[Graph]:
    cells: dict[str, list[Facets]] = {}
    for facets in found.cells:
        cells.setdefault(evolution_panel(found, facets), []).append(facets)
    steps: dict[str, list[dict[str, Any]]] = {}
    for change, each in evolution(found, baseline):
        told = {
            "from": evolution_label(found, each.a),
            "to": evolution_label(found, each.b),
            "policy": each.b.policy,
            "change": change,
            "macs": found.macs(each.b) - found.macs(each.a),
            "p": None if each.adjusted is None else float(f"{each.adjusted:.3g}"),
            **rounded(each.difference),
        }
        steps.setdefault(evolution_panel(found, each.b), []).append(told)
    return [
        Graph(title, published, tuple(_model(found, f) for f in own), tuple(steps[title]))
        for title, own in cells.items()
        if title in steps
    ]


def _model(found: Findings, facets: Facets) -> dict[str, Any]:
    return {
        "name": evolution_label(found, facets),
        "policy": facets.policy,
        "tp": facets.temporal_pooling,
        "macs": found.macs(facets) or None,
        **rounded(found.figure([facets], lambda cells: cells[..., 0])),
    }


def evolution_block(told: Iterable[Graph], baseline: str) -> dict[str, Any]:
    """Return the graphs for the page."""
    return {
        "baseline": baseline,
        "graphs": [
            {
                "title": graph.title,
                "published": graph.published,
                "models": graph.models,
                "steps": graph.steps,
            }
            for graph in told
        ],
    }
