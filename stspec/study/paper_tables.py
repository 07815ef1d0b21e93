"""The studies' tables, made of any results: published ones, or a store's. Imports no torch.

Numbers are those of Chen et al., CVPR 2021; `vmz2018` and `comparison2020` are the tables of Tran
et al., CVPR 2018, and of Köpüklü et al., 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.source import Plain
from stspec.study.contribution import Contribution, Definition, contributions
from stspec.study.figures import FIGURES, make_figure
from stspec.study.findings import BASELINE, Findings, findings
from stspec.study.labels import approach, model_name
from stspec.study.protocol import TOLD, data_of, protocol_of
from stspec.study.published import counterparts, same_model
from stspec.study.records import Result
from stspec.study.statistics import Interval
from stspec.study.tables import Column, Table, Value, without_empty
from stspec.study.temporality import (
    ROUND,
    ClassGains,
    RemovalRound,
    class_gains,
    overlap,
    removal_round,
    static_classes,
    temporal_classes,
)

NO_PREDICTIONS = "none: this takes the predictions of a temporal model and of its baseline"


@dataclass(frozen=True, slots=True)
class Options:
    """What some tables can be asked for."""

    baseline: str = BASELINE
    """The policy that gains are measured against."""
    definition: Definition = "table"
    """Of Φ and Ψ (table8)."""
    given: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Lists of temporal classes that people made, by name (table9)."""
    k: int | None = None
    """How many classes are called temporal, and static; the study's numbers by default."""
    size: int = ROUND
    """Classes of a round of removal (table10)."""


Maker = Callable[[Findings, Options], Table]


def make_table(
    name: str, results: Iterable[Result] | Findings, options: Options | None = None
) -> Table:
    """Return a table, or the points of a figure, by its name.

    >>> from stspec.study.published import published
    >>> table = make_table("table8", published("study2021"))
    >>> table.records()[0]["measure"], round(table.records()[0]["tam"], 2)
    ('Φ', 0.52)

    Raises:
        SpecError: `unknown-table`, with the nearest name.
    """
    found = findings(results)
    if name in FIGURES:
        return make_figure(name, found, baseline=(options or Options()).baseline).table()
    if name not in TABLES:
        message = f"there is no table `{name}`"
        help = did_you_mean(name, table_names())
        raise SpecError(Diagnostic("unknown-table", message, help=help))
    return TABLES[name](found, options or Options())


def table_names() -> list[str]:
    """Return the names of all tables and figures."""
    return [*TABLES, *FIGURES]


def titles() -> dict[str, str]:
    """Return what all tables and figures are called, by name."""
    nothing = Findings(())
    return {name: make_table(name, nothing).title for name in table_names()}


_DATA = Column("data", "data")
_MODEL = Column("model", "model")
_FRAMES = Column("frames", "frames", "count")
_TOP1 = Column("top1", "top-1", "share")
_TOP5 = Column("top5", "top-5", "share")
_PARAMS = Column("params", "params", "params")
_MACS = Column("macs", "cost", "macs")
_SEEDS = Column("seeds", "seeds", "count")


def _interval(name: str, title: str) -> tuple[Column, ...]:
    return (
        Column(name, title, "points"),
        Column(f"{name}_low", "low", "points"),
        Column(f"{name}_high", "high", "points"),
    )


def _told(interval: Interval) -> tuple[Value, ...]:
    return interval.estimate, interval.low, interval.high


def _made(
    name: str, title: str, columns: Sequence[Column], rows: Iterable[tuple[Value, ...]],
    found: Findings, *notes: str,
) -> Table:  # fmt: skip
    rows = tuple(rows)
    notes = (*notes, *_seeds_told(columns, rows, found), *found.notes)
    table = Table(name, title, tuple(columns), rows, notes)
    keep = [each.name for each in columns if not each.name.endswith(("_low", "_high"))]
    return without_empty(table, [each for each in keep if each not in ("top5", "p", "p_holm")])


def _seeds_told(
    columns: Sequence[Column], rows: Sequence[tuple[Value, ...]], found: Findings
) -> tuple[str, ...]:
    """Return, plainly, that intervals know nothing of seeds where there is but one."""
    names = [each.name for each in columns]
    low = [i for i, name in enumerate(names) if name.endswith("_low")]
    if "seeds" not in names or not any(row[i] is not None for row in rows for i in low):
        return ()
    return found.seeds_told


def _runs(found: Findings, options: Options) -> Table:
    columns = (
        Column("key", "key"), Column("name", "name"), Column("source", "source"), _DATA,
        Column("policy", "policy"), Column("backbone", "backbone"),
        Column("temporal_pooling", "temporal pooling", "yes"), _FRAMES,
        Column("sampling", "sampling"), Column("head", "head"), Column("seed", "seed", "count"),
        _TOP1, _TOP5, Column("mean_class", "mean class", "share"), _PARAMS, _MACS,
    )  # fmt: skip
    names = list(dict.fromkeys(name for each in found.results for name in each.extra))
    taken = {column.name for column in columns}
    extra = tuple(Column(name, name) for name in names if name not in taken)
    rows = []
    for each in found.results:
        f = each.facets
        more = (each.extra.get(column.name) for column in extra)
        rows.append(
            (each.key, each.name, each.source, f.data, f.policy, f.backbone, f.temporal_pooling,
             f.frames, f.sampling, f.head, each.seed, each.top1, each.top5, each.mean_class,
             each.params, each.macs, *map(_plain, more))
        )  # fmt: skip
    return _made("runs", "All runs", (*columns, *extra), rows, found)


def _plain(value: object) -> Value:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _approaches(found: Findings, options: Options) -> Table:
    columns = (
        Column("policy", "approach"), Column("backbones", "backbones"),
        Column("pooling", "temporal pooling"), Column("frames", "frames"),
        Column("sampling", "sampling"), Column("runs", "runs", "count"),
    )  # fmt: skip
    rows = []
    for policy in dict.fromkeys(approach(replace(f, temporal_pooling=False)) for f in found.cells):
        own = [f for f in found.cells if approach(replace(f, temporal_pooling=False)) == policy]
        pooling = sorted({"with" if f.temporal_pooling else "without" for f in own}, reverse=True)
        rows.append((
            policy, _list(f.backbone for f in own), ", ".join(pooling),
            ", ".join(map(str, sorted({f.frames for f in own}))),
            _list(f.sampling for f in own), sum(len(found.cells[f]) for f in own),
        ))  # fmt: skip
    return _made("table1", "Approaches", columns, rows, found)


def _data(found: Findings, options: Options) -> Table:
    columns = (
        _DATA, Column("classes", "classes", "count"),
        Column("train_videos", "training videos", "count"),
        Column("videos", "validation videos", "count"), Column("runs", "runs", "count"),
    )  # fmt: skip
    rows = []
    for data in found.data:
        runs = [run for f, cell in found.cells.items() if f.data == data for run in cell]
        joined = found.outcomes(data)
        told = [data_of(run) for run in runs]
        videos = _first(told, "videos") or (len(joined.ids) if joined else None)
        classes = _first(told, "classes") or (len(joined.classes) if joined else None)
        rows.append((data, classes, _first(told, "train_videos"), videos, len(runs)))
    return _made("table2", "Data sets", columns, rows, found)


def _first(told: Sequence[Mapping[str, Plain]], name: str) -> Value:
    return next((_plain(each[name]) for each in told if name in each), None)


def _protocol(found: Findings, options: Options) -> Table:
    columns = (_DATA, _FRAMES, *(Column(name, name.replace("_", " ")) for name in TOLD))
    columns = (*columns, Column("runs", "runs", "count"))
    counts: dict[tuple[Value, ...], int] = {}
    for facets, runs in found.cells.items():
        for run in runs:
            told = protocol_of(run)
            how = tuple(_plain(told.get(name)) for name in TOLD)
            row = (facets.data, facets.frames, *how)
            counts[row] = counts.get(row, 0) + 1
    rows = [(*row, count) for row, count in counts.items()]
    # Stable: by data as they come, then by frames.
    order = {data: i for i, data in enumerate(found.data)}
    rows.sort(key=lambda row: (order[str(row[0])], row[1]))
    return _made("table3", "Training protocols", columns, rows, found)


def _sampling(found: Findings, options: Options) -> Table:
    columns = (
        _DATA, _MODEL, _FRAMES, Column("uniform", "uniform", "share"),
        Column("dense", "dense", "share"), *_interval("gain", "dense less uniform"),
        Column("p", "p", "p", 4), Column("p_holm", "p (Holm)", "p", 4), _SEEDS,
    )  # fmt: skip
    dense = [f for f in found.cells if f.sampling == "dense"]
    pairs = [(a, f) for f in dense if (a := found.find(replace(f, sampling="uniform")))]
    rows = [
        (each.b.data, model_name(each.b), each.b.frames, found.top1(each.a), found.top1(each.b),
         *_told(each.difference), each.p, each.adjusted, each.difference.seeds)
        for each in found.compare(pairs)
    ]  # fmt: skip
    notes = () if rows else ("none: this takes models with uniform and with dense sampling",)
    return _made("table4", "Uniform and dense sampling", columns, rows, found, *notes)


def _aggregation(found: Findings, options: Options) -> Table:
    columns = (
        _DATA, Column("backbone", "backbone"), _FRAMES, Column("policy", "temporal aggregation"),
        _TOP1, _TOP5, *_interval("gain", "gain"), Column("p", "p", "p", 4),
        Column("p_holm", "p (Holm)", "p", 4), _PARAMS, _MACS, _SEEDS,
    )  # fmt: skip
    cells = [f for f in found.cells if not f.temporal_pooling]
    pairs = [(a, f) for f in cells if (a := found.baseline(f, options.baseline)) and a != f]
    told = {each.b: each for each in found.compare(pairs)}
    rows = []
    for f in sorted(cells, key=lambda f: (found.data.index(f.data), f.backbone, f.frames)):
        gain = told.get(f)
        tail: tuple[Value, ...] = (None,) * 5
        if gain is not None:
            tail = (*_told(gain.difference), gain.p, gain.adjusted)
        first = found.cells[f][0]
        rows.append(
            (f.data, f.backbone, f.frames, approach(f), found.top1(f), found.top5(f), *tail,
             first.params, first.macs, len(found.cells[f]))
        )  # fmt: skip
    title = f"Temporal aggregation, without temporal pooling; gain over {options.baseline}"
    return _made("table5", title, columns, rows, found)


def _best(found: Findings, options: Options) -> Table:
    columns = (_DATA, _MODEL, _FRAMES, _TOP1, _TOP5, _PARAMS, _MACS, _SEEDS)
    order = {data: i for i, data in enumerate(found.data)}
    cells = sorted(found.cells, key=lambda f: (order[f.data], -found.top1(f)))
    rows = [
        (f.data, model_name(f), f.frames, found.top1(f), found.top5(f), found.cells[f][0].params,
         found.macs(f), len(found.cells[f]))
        for f in cells
    ]  # fmt: skip
    return _made("table6", "Models by accuracy", columns, rows, found)


def _transfer(found: Findings, options: Options) -> Table:
    rows = [
        ((model_name(f), f.frames), f.data, found.top1(f)) for f in found.cells
    ]  # fmt: skip
    return _pivot("table7", "One model on several data sets", (_MODEL, _FRAMES), rows, found)


def _contribution(found: Findings, options: Options) -> Table:
    """Return Φ and Ψ as the paper has them: a row for each measure, a column for each policy."""
    told = contributions(found, baseline=options.baseline, definition=options.definition)
    policies = list(dict.fromkeys(each.policy for each in told))
    columns = [_DATA, Column("measure", "measure")]
    for policy in policies:
        columns += [Column(policy, policy, "number")]
        columns += [Column(f"{policy}_{end}", end, "number") for end in ("low", "high")]
    columns += [Column("pairs", "pairs", "count"), _SEEDS]
    rows: list[tuple[Value, ...]] = []
    for data in found.data:
        for name, of, pooling in _MEASURES:
            own = {
                each.policy: (each, of(each))
                for each in told
                if each.data == data and each.temporal_pooling is pooling
            }
            if own:
                cells = [_told(own[p][1]) if p in own else (None,) * 3 for p in policies]
                pairs = min(each.pairs for each, _ in own.values())
                seeds = min(value.seeds for _, value in own.values())
                rows.append((data, name, *(v for cell in cells for v in cell), pairs, seeds))
    notes = [f"definition: {options.definition}; baseline: {options.baseline}"]
    left = sum(each.unmatched for each in told)
    notes += [f"{left} models have no baseline and are left out"] if left else []
    title = "Spatial contribution Φ and temporal improvement Ψ"
    return _made("table8", title, columns, rows, found, *notes)


_MEASURES: tuple[tuple[str, Callable[[Contribution], Interval], bool], ...] = (
    ("Φ", lambda each: each.phi, False),
    ("Ψ ta", lambda each: each.psi, False),
    ("Ψ ta+tp", lambda each: each.psi, True),
)


def _overlap(found: Findings, options: Options) -> Table:
    columns = (
        _DATA, Column("list", "list"), Column("k", "k", "count"),
        Column("temporal", "temporal", "count"), Column("temporal_share", "temporal", "share", 1),
        Column("static", "static", "count"), Column("static_share", "static", "share", 1),
        Column("common", "temporal classes on the list"),
    )  # fmt: skip
    rows: list[tuple[Value, ...]] = []
    told = class_gains(found, baseline=options.baseline)
    for each in told:
        temporal, static = temporal_classes(each, options.k), static_classes(each, options.k)
        for name, given in options.given.items():
            a = overlap(temporal, given, each.classes)
            b = overlap(static, given, each.classes)
            if a.given:
                common = "; ".join(a.common)
                rows.append(
                    (each.data, name, len(temporal), len(a.common), a.share, len(b.common),
                     b.share, common)
                )  # fmt: skip
    notes = [] if options.given else ["none: no list of classes is given"]
    notes += [] if rows or notes or told else [NO_PREDICTIONS]
    notes += [] if rows or notes else ["none: no class of these data is on the lists"]
    title = "Temporal and static classes that are on given lists"
    return _made("table9", title, columns, rows, found, *notes)


def _classes(found: Findings, options: Options) -> Table:
    columns = (
        _DATA, Column("rank", "rank", "count"), Column("class", "class"),
        Column("kind", "kind"), Column("videos", "videos", "count"),
        Column("gain", "mean gain", "points"),
    )  # fmt: skip
    told = class_gains(found, baseline=options.baseline)
    models = list(dict.fromkeys(name for each in told for name in each.models))
    more = tuple(Column(f"gain_{name}", name, "points") for name in models)
    rows: list[tuple[Value, ...]] = []
    for each in told:
        temporal = set(temporal_classes(each, options.k))
        static = set(static_classes(each, options.k))
        for rank, name in enumerate(each.ranked(), 1):
            at = each.classes.index(name)
            own = dict(zip(each.models, each.gains[:, at].tolist(), strict=True))
            kind = "temporal" if name in temporal else "static" if name in static else ""
            gain = float(each.mean[at])
            rows.append((each.data, rank, name, kind, each.counts[at], gain, *map(own.get, models)))
    notes = () if rows else (NO_PREDICTIONS,)
    return _made("classes", "Temporal gain by class", (*columns, *more), rows, found, *notes)


def _removal(found: Findings, options: Options) -> Table:
    columns = (
        _DATA, Column("classes", "classes", "count"), Column("removed", "removed", "count"),
        Column("atg_all", "ATG-all", "points"), Column("atg_tc", "ATG-tc", "points"),
        Column("first", "removed next"),
    )  # fmt: skip
    rows: list[tuple[Value, ...]] = []
    told = class_gains(found, baseline=options.baseline)
    for gains in told:
        each = _round(gains, options)
        if each is None:
            continue
        rows.append(
            (each.data, len(gains.classes), len(each.removed), each.atg_all, each.atg_tc,
             "; ".join(each.removed))
        )  # fmt: skip
    notes = () if rows else (_too_few(told),)
    title = "Rounds of removal: average temporal gain (ATG) of all and of temporal classes"
    return _made("table10", title, columns, rows, found, *notes)


def _removed(found: Findings, options: Options) -> Table:
    """Return the classes that the next round leaves out, a row each."""
    columns = (_DATA, Column("class", "class"), Column("gain", "mean gain", "points"))
    rows: list[tuple[Value, ...]] = []
    told = class_gains(found, baseline=options.baseline)
    for gains in told:
        mean = dict(zip(gains.classes, gains.mean.tolist(), strict=True))
        each = _round(gains, options)
        rows += [(gains.data, name, mean[name]) for name in (each.removed if each else ())]
    notes = () if rows else (_too_few(told),)
    return _made("removed", "Classes that the next round leaves out", columns, rows, found, *notes)


def _too_few(told: Sequence[ClassGains]) -> str:
    return "none: two classes must be left" if told else NO_PREDICTIONS


def _round(gains: ClassGains, options: Options) -> RemovalRound | None:
    """Return the next round; of few classes half are left, at least the two that make a choice."""
    if len(gains.classes) < 3:
        return None
    return removal_round(gains, min(options.size, max(1, len(gains.classes) // 2)))


def _vmz(found: Findings, options: Options) -> Table:
    # Most of these convolutions halve time with space: told where there is a choice alone.
    ways = {(f.policy, f.temporal_pooling) for f in found.cells}
    several = {policy for policy, pooled in ways if (policy, not pooled) in ways}
    rows: list[tuple[tuple[Value, ...], str, float]] = []
    for f in found.cells:
        clip = found.clip_top1(f)
        key = (f.data, approach(f) if f.policy in several else f.policy, f.backbone)
        if clip is not None:
            rows.append((key, f"clip level, {f.frames} frames", clip))
        rows.append((key, f"{f.frames} frames", found.top1(f)))
    columns = (_DATA, Column("policy", "convolutions"), Column("backbone", "backbone"))
    title = "Convolutions over space and time, at clip and video level"
    return _pivot("vmz2018", title, columns, rows, found)


def _published(found: Findings, options: Options) -> Table:
    """Return what papers print of the same models, beside the results."""
    columns = (
        _DATA, _MODEL, _FRAMES, Column("published", "published", "share"),
        Column("yours", "yours", "share"), Column("difference", "yours less published", "points"),
        _SEEDS, Column("source", "source"),
    )  # fmt: skip
    rows = [
        (f.data, model_name(f), f.frames, printed, found.top1(f), found.top1(f) - printed,
         len(found.cells[f]), name)
        for f in found.cells
        for name, printed in counterparts().get(same_model(f), ())
    ]  # fmt: skip
    notes = () if rows else ("none: no paper's table has a model of these on data of these names",)
    return _made("published", "Published, and yours", columns, rows, found, *notes)


def _comparison(found: Findings, options: Options) -> Table:
    rows: list[tuple[tuple[Value, ...], str, float]] = [
        ((approach(f),), f"{f.data}, {f.frames} frames, {f.backbone}", found.top1(f))
        for f in found.cells
    ]
    column = Column("head", "reasoning")
    return _pivot("comparison2020", "Reasoning over frames", (column,), rows, found)


def _pivot(
    name: str, title: str, columns: tuple[Column, ...],
    rows: Iterable[tuple[tuple[Value, ...], str, float]], found: Findings,
) -> Table:  # fmt: skip
    """Return a table of shares: row, column, value."""
    told: dict[tuple[Value, ...], dict[str, float]] = {}
    for key, column, value in rows:
        told.setdefault(key, {})[column] = value
    names = list(dict.fromkeys(column for row in told.values() for column in row))
    every = (*columns, *(Column(each, each, "share") for each in names))
    cells = [(*key, *(row.get(each) for each in names)) for key, row in told.items()]
    return _made(name, title, every, cells, found)


def _list(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


TABLES: dict[str, Maker] = {
    "runs": _runs,
    "table1": _approaches,
    "table2": _data,
    "table3": _protocol,
    "table4": _sampling,
    "table5": _aggregation,
    "table6": _best,
    "table7": _transfer,
    "table8": _contribution,
    "table9": _overlap,
    "table10": _removal,
    "classes": _classes,
    "removed": _removed,
    "vmz2018": _vmz,
    "comparison2020": _comparison,
    "published": _published,
}
