"""Which classes need time: per-class gain by temporal models, and what follows from it.

Chen et al., Deep Analysis of CNN-based Spatio-temporal Representations for Action Recognition,
CVPR 2021 (Fig. 8, Tables 9 and 10); Sevilla-Lara et al., Only Time Can Tell, WACV 2021, for lists
of temporal classes that people made. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.study.findings import BASELINE, Findings, findings
from stspec.study.outcomes import Floats
from stspec.study.records import Result

K = {"mini_kinetics": 32, "kinetics400": 32, "mini_ssv2": 18, "ssv2": 18}
"""How many classes the study calls temporal, and static."""
ROUND = 40
"""Classes that the study removes in a round."""


@dataclass(frozen=True)
class ClassGains:
    """By how much temporal models beat the baseline on each of K classes of a data set."""

    data: str
    classes: tuple[str, ...]
    models: tuple[str, ...]
    """Policies, `_tp` behind those with temporal pooling."""
    gains: Floats
    """(M, K): accuracy of the model less its baseline's, mean over backbones, frames, seeds."""
    counts: tuple[int, ...]
    """Videos of each class; where there are none, gains are NaN."""

    @property
    def mean(self) -> Floats:
        """Return the gain of each class, mean over models, (K,)."""
        found: Floats = self.gains.mean(axis=0)
        return found

    def ranked(self, model: str | None = None) -> list[str]:
        """Return the classes that have videos, the largest gain first; ties in their order."""
        gain = self.mean if model is None else self.gains[self._row(model)]
        order = np.argsort(-np.nan_to_num(gain, nan=-np.inf), kind="stable")
        return [self.classes[i] for i in order.tolist() if self.counts[i]]

    def correlation(self, a: str, b: str) -> float | None:
        """Return Pearson's correlation of two models' gains; None where one does not vary."""
        known = np.array(self.counts) > 0
        x, y = (self.gains[self._row(name)][known] for name in (a, b))
        if len(x) < 2 or not x.std() or not y.std():
            return None
        return float(np.corrcoef(x, y)[0, 1])

    def _row(self, model: str) -> int:
        if model not in self.models:
            message = f"there are no gains of `{model}`"
            help = did_you_mean(model, self.models)
            raise SpecError(Diagnostic("unknown-choice", message, help=help))
        return self.models.index(model)


def class_gains(
    results: Iterable[Result] | Findings, *, baseline: str = BASELINE
) -> list[ClassGains]:
    """Return the per-class gains of each data set of which there are predictions.

    The temporal gain of a class is the accuracy of a model on its videos less that of the
    baseline (same data, backbone, frames and sampling, no temporal pooling).
    """
    found = findings(results)
    told = (_gains(found, data, baseline) for data in found.data)
    return [each for each in told if each is not None]


def _gains(found: Findings, data: str, baseline: str) -> ClassGains | None:
    joined = found.outcomes(data)
    if joined is None:
        return None
    row = {key: number for number, key in enumerate(joined.names)}
    accuracy = joined.class_accuracy
    mean = {
        facets: accuracy[[row[run.key] for run in runs]].mean(axis=0)
        for facets, runs in found.cells.items()
        if all(run.key in row for run in runs)
    }
    models: dict[str, list[Floats]] = {}
    for facets in mean:
        own = found.baseline(facets, baseline)
        if facets.policy != baseline and own in mean:
            name = facets.policy + ("_tp" if facets.temporal_pooling else "")
            models.setdefault(name, []).append(mean[facets] - mean[own])
    if not models:
        return None
    gains = np.stack([np.mean(each, axis=0) for each in models.values()])
    counts = tuple(joined.class_counts.tolist())
    return ClassGains(data, joined.classes, tuple(models), gains, counts)


def temporal_classes(gains: ClassGains, k: int | None = None) -> list[str]:
    """Return the k classes of the largest gain; k is the study's (32 of Kinetics, 18 of SSV2)."""
    return gains.ranked()[: _k(gains, k)]


def static_classes(gains: ClassGains, k: int | None = None) -> list[str]:
    """Return the k classes of the least gain, the least first."""
    ranked = gains.ranked()
    # Of few classes none is both temporal and static.
    most = min(_k(gains, k), len(ranked) - min(_k(gains, k), len(ranked)))
    return ranked[::-1][:most]


def _k(gains: ClassGains, k: int | None) -> int:
    if k is not None:
        if k < 1:
            raise SpecError(Diagnostic("bad-count", f"k is {k}, and counts classes from 1"))
        return k
    # Of other data as large a part as of Mini-Kinetics: 32 of 200.
    count = len(gains.classes)
    return max(1, min(K.get(gains.data, round(0.16 * count)), count // 2))


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much of a list of classes is in another one."""

    common: tuple[str, ...]
    found: int
    given: int
    """Classes of the given list that the data set has."""

    @property
    def share(self) -> float | None:
        """Return the part of the found classes that is given."""
        return len(self.common) / self.found if self.found else None


def overlap(found: Sequence[str], given: Iterable[str], classes: Sequence[str]) -> Overlap:
    """Return which of the classes found are on a given list, whatever their case.

    Args:
        found: such as `temporal_classes`.
        given: a list that people made, perhaps of more data sets.
        classes: all of the data set.
    """
    listed = {_plain(name) for name in given}
    common = tuple(name for name in found if _plain(name) in listed)
    return Overlap(common, len(found), sum(_plain(name) in listed for name in classes))


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().split())


@dataclass(frozen=True, slots=True)
class RemovalRound:
    """One round of removing temporal classes: models are then trained on what is kept."""

    data: str
    removed: tuple[str, ...]
    """The classes of the largest gain, the largest first."""
    kept: tuple[str, ...]
    """The others, in the data set's order."""
    atg_all: float
    """Average temporal gain over all classes, before they are removed."""
    atg_tc: float
    """Average temporal gain over those that are removed: the temporal classes."""


def removal_round(gains: ClassGains, size: int = ROUND) -> RemovalRound:
    """Return the classes that the next round leaves out (Table 10).

    Each round removes the classes of the largest mean gain of models trained on what the round
    before kept.

    Raises:
        SpecError: `bad-count` if fewer than two classes would be left.
    """
    if not 1 <= size <= len(gains.classes) - 2:
        message = f"cannot remove {size} of {len(gains.classes)} classes of `{gains.data}`"
        help = f"remove 1 to {max(1, len(gains.classes) - 2)}: --classes-per-round"
        raise SpecError(Diagnostic("bad-count", message, help=help))
    removed = gains.ranked()[:size]
    left = set(removed)
    gain = dict(zip(gains.classes, gains.mean.tolist(), strict=True))
    kept = tuple(name for name in gains.classes if name not in left)
    return RemovalRound(
        gains.data,
        tuple(removed),
        kept,
        float(np.nanmean(gains.mean)),
        float(np.mean([gain[name] for name in removed])),
    )
