"""What choices are worth: gains by pooling, backbone and length, contributions; with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stspec.study.contribution import Contribution, Definition, contributions
from stspec.study.figures import (
    first_backbone,
    gains_by_backbone,
    gains_by_length,
    gains_by_pooling,
)
from stspec.study.findings import BASELINE, Comparison, Findings
from stspec.study.records import Facets
from stspec.study.statistics import Interval

DIGITS = 6
"""Behind the point, of shares: a hundredth of what one of 10,000 videos counts."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One choice, and what it gains on each data set."""

    id: str
    title: str
    about: str
    rows: tuple[tuple[Comparison, bool], ...]
    """Each with whether it is of published figures."""

    @property
    def data(self) -> list[str]:
        """Return the data sets, in the order of the results."""
        return list(dict.fromkeys(each.b.data for each, _ in self.rows))


@dataclass(frozen=True, slots=True)
class Gains:
    """What the choices of a study are worth."""

    kinds: tuple[Kind, ...] = ()
    """Those of which there are any."""
    contributions: tuple[tuple[Contribution, bool], ...] = ()
    """Each with whether it is of published figures."""
    baseline: str = BASELINE
    definition: Definition = "table"
    notes: tuple[str, ...] = ()

    @property
    def data(self) -> list[str]:
        """Return the data sets of which contributions are known."""
        return list(dict.fromkeys(each.data for each, _ in self.contributions))

    @property
    def about(self) -> str:
        """Return what Φ and Ψ are here."""
        formulas = {
            "table": "Φ = B / max(S, B), Ψ = (S - B) / (1 - B)",
            "printed": "Φ = S / max(S, B), Ψ = (S - B) / max(S, B)",
        }
        return (
            "Spatial contribution Φ, the part of an accuracy that space alone explains, and "
            "temporal improvement Ψ, the part of what space leaves open that time wins: "
            f"{formulas[self.definition]}, S being a model's top-1 accuracy and B that of "
            f"{self.baseline} without temporal pooling, of the same backbone on as many frames. "
            "Means over all models that have such a baseline."
        )


def gains(
    sides: Iterable[tuple[Findings, bool]], baseline: str = BASELINE,
    definition: Definition = "table",
) -> Gains:  # fmt: skip
    """Work out all gains.

    Args:
        sides: one's own findings and published ones, each with whether it is published.
        baseline: the policy that Φ and Ψ are measured against.
        definition: of Φ and Ψ.
    """
    known = [(found, published) for found, published in sides if found.cells]
    kinds = [_kind(known, *each) for each in _kinds(known)]
    told = tuple(
        (each, published)
        for found, published in known
        for each in contributions(found, baseline=baseline, definition=definition)
    )
    # Last: notes are made where findings are asked for.
    notes = tuple(dict.fromkeys(note for found, _ in known for note in found.notes))
    return Gains(tuple(k for k in kinds if k.rows), told, baseline, definition, notes)


_Gains = Callable[[Findings], list[Comparison]]


def _kinds(known: Sequence[tuple[Findings, bool]]) -> list[tuple[str, str, str, _Gains]]:
    over = first_backbone(known[0][0]) if known else ""
    return [
        ("pooling", "By temporal pooling", "Over the same model without it.", gains_by_pooling),
        ("backbone", "By the backbone", f"Over the same model on {over}.", gains_by_backbone),
        ("length", "By longer clips", "Over the same model on the next shorter clips.",
         gains_by_length),
    ]  # fmt: skip


def _kind(
    known: Sequence[tuple[Findings, bool]], id: str, title: str, about: str, of: _Gains
) -> Kind:
    rows = [(each, published) for found, published in known for each in of(found)]
    return Kind(id, title, about, tuple(rows))


def gains_block(told: Gains, name: Callable[[Facets], str]) -> dict[str, Any]:
    """Return the gains for the page, shares rounded; `name` is what models are told apart by."""
    return {
        "kinds": [_kind_plain(kind, name) for kind in told.kinds],
        "contributions": [_contribution_plain(*each) for each in told.contributions],
    }


def _kind_plain(kind: Kind, name: Callable[[Facets], str]) -> dict[str, Any]:
    rows = [
        {
            "data": each.b.data,
            "policy": name(each.b),
            "backbone": each.b.backbone,
            "tp": each.b.temporal_pooling,
            "frames": each.b.frames,
            "from": _from(kind.id, each.a),
            "published": published,
            **rounded(each.difference),
            "p": None if each.adjusted is None else float(f"{each.adjusted:.3g}"),
        }
        for each, published in kind.rows
    ]
    return {"id": kind.id, "rows": rows}


def _from(kind: str, a: Facets) -> str:
    """Return what a model is compared with."""
    return {"pooling": "none", "backbone": a.backbone, "length": f"{a.frames} frames"}[kind]


def _contribution_plain(each: Contribution, published: bool) -> dict[str, Any]:
    return {
        "data": each.data,
        "policy": each.policy,
        "tp": each.temporal_pooling,
        "published": published,
        "pairs": each.pairs,
        "phi": rounded(each.phi),
        "psi": rounded(each.psi),
    }


def rounded(told: Interval) -> dict[str, Any]:
    """Return a figure with its interval for the page."""
    values: Mapping[str, float | None] = {
        "value": told.estimate, "low": told.low, "high": told.high,
    }  # fmt: skip
    return {
        key: None if value is None or not math.isfinite(value) else round(value, DIGITS)
        for key, value in values.items()
    } | {"seeds": told.seeds}


def contribution_rows(told: Gains) -> list[tuple[str, ...]]:
    """Return Φ and Ψ as people read them, a row for each data set, policy and pooling."""
    mixed = len({published for _, published in told.contributions}) > 1
    return [
        (
            each.policy + (" (published)" if mixed and published else ""),
            each.data,
            "pooled" if each.temporal_pooling else "not pooled",
            _text(each.phi),
            _text(each.psi),
            f"{each.pairs:,}",
        )
        for each, published in told.contributions
    ]


def _text(told: Interval) -> str:
    value = _number(told.estimate)
    if told.low is None or told.high is None:
        return value
    return f"{value} ({_number(told.low)} to {_number(told.high)})"


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
