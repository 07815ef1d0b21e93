"""The studies' figures as data, made of any results: published ones, or a store's. No torch.

Numbers are those of Chen et al., Deep Analysis of CNN-based Spatio-temporal Representations for
Action Recognition, CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.study.findings import BASELINE, Comparison, Findings, findings
from stspec.study.labels import approach, model_name
from stspec.study.records import Facets, Result
from stspec.study.tables import Agreement, Axis, Edge, Figure, Point, Series
from stspec.study.temporality import ClassGains, class_gains

Maker = Callable[[Findings, str], Figure]
_FRAMES = Axis("frames", "count")
_TOP1 = Axis("top-1", "share")
_GAIN = Axis("gain of top-1", "points")
_MACS = Axis("MACs of a clip", "macs", log=True)
_NO_PREDICTIONS = "none: this takes the predictions of a temporal model and of its baseline"


def make_figure(
    name: str, results: Iterable[Result] | Findings, *, baseline: str = BASELINE
) -> Figure:
    """Return a figure by its name.

    >>> from stspec.study.published import published
    >>> figure = make_figure("fig3", published("study2021"))
    >>> figure.panels, len(figure.series)
    (['mini_ssv2', 'mini_kinetics', 'mini_mit'], 36)

    Raises:
        SpecError: `unknown-figure`, with the nearest name.
    """
    if name not in FIGURES:
        message = f"there is no figure `{name}`"
        raise SpecError(Diagnostic("unknown-figure", message, help=did_you_mean(name, FIGURES)))
    found = findings(results)
    figure = FIGURES[name](found, baseline)
    told = found.seeds_told if figure.series and figure.kind != "bars" else ()
    return replace(figure, notes=(*told, *figure.notes))


def _progress(found: Findings, baseline: str) -> Figure:
    """Accuracy against what it costs, by backbone."""
    groups = _Groups()
    for f in found.cells:
        point = _cell(found, f, found.macs(f), f"{approach(f)}-f{f.frames}")
        groups.add(f.data, _named(found, f, model_name(f)), point, f)
    return Figure(
        "fig1", "Accuracy and cost", "scatter", _MACS, _TOP1, groups.series(),
        notes=tuple(found.notes),
    )  # fmt: skip


def _accuracy(name: str, title: str, pooling: bool) -> Maker:
    def make(found: Findings, baseline: str) -> Figure:
        groups = _Groups()
        for f in found.cells:
            if f.temporal_pooling is pooling:
                own = _cell(found, f, f.frames)
                groups.add(f.data, _named(found, f, model_name(f)), own, f)
        notes = tuple(found.notes)
        return Figure(name, title, "lines", _FRAMES, _TOP1, groups.series(), notes=notes)

    return make


def _sampling(found: Findings, baseline: str) -> Figure:
    """Accuracy at clip and at video level, by uniform and by dense sampling."""
    groups = _Groups()
    for f, runs in found.cells.items():
        label = f"{model_name(f)}-f{f.frames}"
        for level, value in _levels(found, f, runs[0]):
            groups.add(f.data, f"{f.sampling}, {level}", Point(label, value))
    return Figure(
        "fig4", "Uniform and dense sampling, clip and video level", "bars", Axis("model"), _TOP1,
        groups.series(), notes=tuple(found.notes),
    )  # fmt: skip


def _levels(found: Findings, facets: Facets, run: Result) -> list[tuple[str, float]]:
    clip, video = found.clip_top1(facets), run.extra.get("video_top1")
    if clip is not None:
        return [("clip level", clip), ("video level", found.top1(facets))]
    known = [("clip level", found.top1(facets))]
    return [*known, ("video level", video)] if isinstance(video, float) else known


def first_backbone(found: Findings) -> str:
    """Return what other backbones are compared with: ResNet18, or the first one."""
    known = list(dict.fromkeys(f.backbone for f in found.cells))
    return "resnet18" if "resnet18" in known or not known else known[0]


def gains_by_backbone(found: Findings) -> list[Comparison]:
    """Return the gains by other backbones over the first one."""
    first = first_backbone(found)
    return found.compare(
        (a, f) for f in found.cells
        if f.backbone != first and (a := found.find(replace(f, backbone=first)))
    )  # fmt: skip


def gains_by_pooling(found: Findings) -> list[Comparison]:
    """Return the gains by temporal pooling over the same models without it."""
    return found.compare(
        (a, f) for f in found.cells
        if f.temporal_pooling and (a := found.find(replace(f, temporal_pooling=False)))
    )  # fmt: skip


def gains_by_length(found: Findings) -> list[Comparison]:
    """Return the gains by longer clips over the next shorter ones of the same model."""
    lengths: dict[Facets, list[Facets]] = {}
    for f in found.cells:
        lengths.setdefault(replace(f, frames=0), []).append(f)
    return found.compare(
        pair
        for own in lengths.values()
        for pair in pairwise(sorted(own, key=lambda f: f.frames))
    )  # fmt: skip


def _backbones(found: Findings, baseline: str) -> Figure:
    series = _gains(gains_by_backbone(found), lambda b: f"{approach(b)}, {b.backbone}")
    notes = (f"over {first_backbone(found)}", *found.notes)
    return Figure("fig5", "Gain by the backbone", "lines", _FRAMES, _GAIN, series, notes=notes)


def _pooling(found: Findings, baseline: str) -> Figure:
    told = gains_by_pooling(found)
    series = _gains(told, lambda b: model_name(replace(b, temporal_pooling=False)))
    return Figure(
        "fig6", "Gain by temporal pooling", "lines", _FRAMES, _GAIN, series,
        notes=tuple(found.notes),
    )  # fmt: skip


def _length(found: Findings, baseline: str) -> Figure:
    told = gains_by_length(found)
    return Figure(
        "length", "Gain by longer clips over the next shorter ones", "lines", _FRAMES, _GAIN,
        _gains(told, model_name), notes=tuple(found.notes),
    )  # fmt: skip


def evolution(found: Findings, baseline: str = BASELINE) -> list[tuple[str, Comparison]]:
    """Return the single changes by which the baseline becomes the other models, with their gains.

    They are another policy, all else being equal, and temporal pooling of the same model.
    """
    pairs: list[tuple[Facets, Facets]] = []
    changes = []
    for f in found.cells:
        plain = found.find(replace(f, temporal_pooling=False))
        if f.temporal_pooling and plain is not None:
            pairs.append((plain, f))
            changes.append("temporal pooling")
        start = found.find(replace(f, policy=baseline))
        if f.policy != baseline and start is not None:
            pairs.append((start, f))
            changes.append(f"{baseline} → {f.policy}")
    return list(zip(changes, found.compare(pairs), strict=True))


def evolution_panel(found: Findings, facets: Facets) -> str:
    """Return what models have in common that are told in one graph."""
    title = _named(found, facets, f"{facets.data}, {facets.backbone}")
    return f"{title}, {facets.frames} frames"


def evolution_label(found: Findings, facets: Facets) -> str:
    """Return what a model is called there, its head where several have the same policy."""
    several = {f.head for f in found.cells if f.policy == facets.policy} - {facets.head}
    told = facets.head if several and facets.policy != "none" else ""
    return f"{approach(facets)} ({told})" if told else approach(facets)


def _evolution(found: Findings, baseline: str) -> Figure:
    """How the baseline becomes each model by single changes: aggregation, then pooling."""
    groups = _Groups()
    for f in found.cells:
        name = evolution_label(found, f)
        own = _cell(found, f, found.macs(f), name)
        groups.add(evolution_panel(found, f), name, own, replace(f, backbone=""))
    edges = []
    for change, each in evolution(found, baseline):
        a, b, gain = each.a, each.b, each.difference
        more = found.macs(b) - found.macs(a)
        edges.append(
            Edge(evolution_panel(found, b), evolution_label(found, a), evolution_label(found, b),
                 change, gain.estimate, more, gain.low, gain.high, each.adjusted)
        )  # fmt: skip
    return Figure(
        "fig7", f"From {baseline} to the others by single changes", "graph", _MACS, _TOP1,
        groups.series(), tuple(edges), tuple(found.notes),
    )  # fmt: skip


def _class_gains(found: Findings, baseline: str) -> Figure:
    """Temporal gain of each class by each model, and how models agree."""
    series = []
    notes = []
    told = class_gains(found, baseline=baseline)
    for each in told:
        order = each.ranked()
        at = [each.classes.index(name) for name in order]
        for row, model in enumerate(each.models):
            gains = each.gains[row, at].tolist()
            points = tuple(Point(name, gain) for name, gain in zip(order, gains, strict=True))
            colour = model.removesuffix("_tp")
            series.append(Series(each.data, model, points, colour, pooled=colour != model))
        for i, a in enumerate(each.models):
            for b in each.models[i + 1 :]:
                shared = each.correlation(a, b)
                if shared is not None:
                    notes.append(f"{each.data}: correlation of {a} and {b}: {shared:.2f}")
    notes += [] if series else [_NO_PREDICTIONS]
    return Figure(
        "fig8", "Temporal gain by class", "bars", Axis("class"), _GAIN, tuple(series),
        notes=(*notes, *found.notes), agreements=tuple(map(_agreement, told)),
    )  # fmt: skip


def _agreement(each: ClassGains) -> Agreement:
    rows = tuple(tuple(each.correlation(a, b) for b in each.models) for a in each.models)
    return Agreement(each.data, each.models, rows)


def _profile(found: Findings, baseline: str) -> Figure:
    """The classes' mean temporal gains, the largest first: how temporal a data set is."""
    series = []
    for each in class_gains(found, baseline=baseline):
        mean = dict(zip(each.classes, each.mean.tolist(), strict=True))
        ranked = enumerate(each.ranked(), 1)
        points = tuple(Point(rank, mean[name], name) for rank, name in ranked)
        series.append(Series(each.data, "mean of models", points))
    notes = () if series else (_NO_PREDICTIONS,)
    return Figure(
        "fig9", "Temporality of data: classes by their temporal gain", "lines",
        Axis("rank of the class", "count"), _GAIN, tuple(series), notes=(*notes, *found.notes),
    )  # fmt: skip


def _cell(found: Findings, facets: Facets, x: int, label: str = "") -> Point:
    top1 = found.figure([facets], lambda cells: cells[..., 0])
    # Of published figures and of one seed alike: the mean of what the runs say.
    return Point(
        x, found.top1(facets), label, top1.low, top1.high, float(found.macs(facets))
    )  # fmt: skip


def _named(found: Findings, facets: Facets, name: str) -> str:
    """Return a name that tells sampling where it varies."""
    several = len({f.sampling for f in found.cells if f.data == facets.data}) > 1
    return f"{name}, {facets.sampling}" if several else name


def _gains(told: Iterable[Comparison], name: Callable[[Facets], str]) -> tuple[Series, ...]:
    groups = _Groups()
    for each in told:
        gain = each.difference
        p = f"p = {each.adjusted:.2g} (Holm)" if each.adjusted is not None else ""
        point = Point(each.b.frames, gain.estimate, p, gain.low, gain.high)
        groups.add(each.b.data, name(each.b), point, each.b)
    return groups.series()


class _Groups:
    """Points that become series."""

    def __init__(self) -> None:
        self._points: dict[tuple[str, str], list[Point]] = {}
        self._facets: dict[tuple[str, str], Facets | None] = {}

    def add(self, panel: str, name: str, point: Point, facets: Facets | None = None) -> None:
        """Add a point, of a model of these facets."""
        self._points.setdefault((panel, name), []).append(point)
        self._facets[panel, name] = facets

    def series(self) -> tuple[Series, ...]:
        """Return series, panels together, points with numbers on the x axis in its order."""
        panels = list(dict.fromkeys(panel for panel, _ in self._points))
        return tuple(
            self._series(*group) for panel in panels for group in self._points if group[0] == panel
        )

    def _series(self, panel: str, name: str) -> Series:
        points, facets = self._points[panel, name], self._facets[panel, name]
        numbers = all(isinstance(p.x, int) for p in points)
        order = tuple(sorted(points, key=_x) if numbers else points)
        if facets is None:
            return Series(panel, name, order)
        colour = approach(replace(facets, temporal_pooling=False))
        return Series(panel, name, order, colour, facets.backbone, facets.temporal_pooling)


def _x(point: Point) -> float:
    assert isinstance(point.x, int)
    return float(point.x)


FIGURES: dict[str, Maker] = {
    "fig1": _progress,
    "fig3": _accuracy("fig3", "Accuracy without temporal pooling", False),
    "fig4": _sampling,
    "fig5": _backbones,
    "fig6": _pooling,
    "fig7": _evolution,
    "fig8": _class_gains,
    "fig9": _profile,
    "length": _length,
    "fig10": _accuracy("fig10", "Accuracy with temporal pooling", True),
}
