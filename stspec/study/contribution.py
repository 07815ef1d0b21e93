"""How much of a model's accuracy is spatial, and what time adds: the study's Eq. 1 and 2.

Chen et al., Deep Analysis of CNN-based Spatio-temporal Representations for Action Recognition,
CVPR 2021. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.study.findings import BASELINE, Findings, findings
from stspec.study.labels import approach
from stspec.study.outcomes import Floats
from stspec.study.records import Facets, Result
from stspec.study.statistics import Interval

Definition = Literal["table", "printed"]
"""`table` gives the paper's Table 8 and its worked example; `printed` is what Eq. 1 and 2 say."""


def spatial_contribution(
    model: ArrayLike, baseline: ArrayLike, definition: Definition = "table"
) -> Floats:
    """Return Φ: the part of a model's accuracy that space alone explains.

    `table` (default): S_TSN / max(S, S_TSN). `printed`: S / max(S, S_TSN).

    Args:
        model: accuracy S in [0, 1], or many.
        baseline: accuracy S_TSN of the same backbone on as many frames.
        definition: which of the two.

    >>> round(float(spatial_contribution(0.60, 0.30)), 2)
    0.5
    """
    a, s = np.asarray(model, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    upper = s if check_definition(definition) == "table" else a
    largest = np.maximum(a, s)
    # Where neither is ever right there is nothing to share out.
    return np.divide(upper, largest, out=np.full_like(largest, np.nan), where=largest > 0)


def temporal_improvement(
    model: ArrayLike, baseline: ArrayLike, definition: Definition = "table"
) -> Floats:
    """Return Ψ: how much of what space leaves open time wins; less than 0 where it loses.

    `table` (default): (S - S_TSN) / (1 - S_TSN). `printed`: (S - S_TSN) / max(S, S_TSN).

    Args:
        model: accuracy S in [0, 1], or many.
        baseline: accuracy S_TSN of the same backbone on as many frames.
        definition: which of the two.

    >>> round(float(temporal_improvement(0.65, 0.30)), 2)
    0.5
    """
    a, s = np.asarray(model, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    lower = 1 - s if check_definition(definition) == "table" else np.maximum(a, s)
    return np.divide(a - s, lower, out=np.full_like(lower, np.nan), where=lower > 0)


@dataclass(frozen=True, slots=True)
class Contribution:
    """Φ and Ψ of a policy on a data set, averaged over backbones and frames."""

    data: str
    policy: str
    """The head, where models have no policy."""
    temporal_pooling: bool
    phi: Interval
    psi: Interval
    pairs: int
    """Models that have a baseline: backbones x frames."""
    unmatched: int = 0
    """Models that have none, and are not in the average."""


def contributions(
    results: Iterable[Result] | Findings,
    *,
    baseline: str = BASELINE,
    definition: Definition = "table",
) -> list[Contribution]:
    """Return Φ and Ψ of all policies, pooling and data sets, in the order of the results.

    The baseline of a model is the policy `baseline` without temporal pooling, of the same data,
    backbone, frames and sampling. Seeds are averaged before. Where all runs have predictions,
    intervals are of a paired bootstrap over videos and seeds.

    >>> from stspec.study.published import published
    >>> told = contributions(published("study2021"))
    >>> [each] = [c for c in told if (c.data, c.policy) == ("mini_mit", "tam")][:1]
    >>> each.temporal_pooling, round(each.phi.estimate, 2), round(each.psi.estimate, 2)
    (False, 0.87, 0.04)

    Raises:
        SpecError: `unknown-choice`, of the definition.
    """
    check_definition(definition)
    found = findings(results)
    groups: dict[tuple[str, str, bool], list[Facets]] = {}
    for facets in found.cells:
        if facets.policy != baseline:
            own = approach(replace(facets, temporal_pooling=False))
            name = facets.data, own, facets.temporal_pooling
            groups.setdefault(name, []).append(facets)
    told = []
    for (data, policy, pooling), members in groups.items():
        pairs = [(each, found.baseline(each, baseline)) for each in members]
        sides = [side for pair in pairs if pair[1] is not None for side in pair if side]
        if sides:
            phi = found.figure(sides, _mean(spatial_contribution, definition))
            psi = found.figure(sides, _mean(temporal_improvement, definition))
            count = len(sides) // 2
            told.append(Contribution(data, policy, pooling, phi, psi, count, len(pairs) - count))
    return told


def _mean(
    measure: Callable[[ArrayLike, ArrayLike, Definition], Floats], definition: Definition
) -> Callable[[Floats], Floats]:
    """Return the mean of a measure over pairs of cells, model and baseline by turns."""

    def figure(accuracy: Floats) -> Floats:
        each = measure(accuracy[..., 0::2], accuracy[..., 1::2], definition)
        found: Floats = np.mean(each, axis=-1)
        return found

    return figure


def check_definition(definition: str) -> Definition:
    """Return the definition, if there is such a one.

    Raises:
        SpecError: `unknown-choice`.
    """
    for each in get_args(Definition):
        if each == definition:
            known: Definition = each
            return known
    message = f"Φ and Ψ have no definition `{definition}`"
    help = did_you_mean(definition, get_args(Definition))
    raise SpecError(Diagnostic("unknown-choice", message, help=help))
