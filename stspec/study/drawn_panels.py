"""The panels of figures that are drawn: lines, points, bars, graphs, correlations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stspec.study.drawn_look import Look, short_text
from stspec.study.tables import Agreement, Figure, Point, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _lines(axes: Axes, figure: Figure, series: Sequence[Series], look: Look) -> None:
    """Draw values by a number: frames, ranks."""
    shared = {point.x for each in series for point in each.points}
    frames = figure.x.title == "frames"
    for each in series:
        x = [_number(point.x) for point in each.points]
        style = look.of(each) if len(x) <= 30 else {"color": look.colour(each)}
        axes.errorbar(x, _values(figure, each), yerr=_errors(figure, each), capsize=0,
                      elinewidth=0.7, **style)  # fmt: skip
    if frames and min(map(_number, shared)) > 0:
        axes.set_xscale("log", base=2)
        ticks = sorted(map(_number, shared))
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    _zero(axes, figure)


def _beside(axes: Axes, figure: Figure, series: Sequence[Series], look: Look) -> None:
    """Draw values of which each series has one, beside its name."""
    for place, each in enumerate(series):
        axes.errorbar(_values(figure, each), [place], xerr=_errors(figure, each), elinewidth=0.7,
                      linestyle="none", **look.of(each))  # fmt: skip
    axes.set_yticks(range(len(series)), [short_text(each.name, 26) for each in series])
    axes.set_ylim(len(series) - 0.4, -0.6)
    if figure.y.kind == "points":
        axes.axvline(0, color="#5c636b", linewidth=0.7)


def _scatter(axes: Axes, figure: Figure, series: Sequence[Series], look: Look) -> None:
    """Draw accuracy against cost; points of one series, of clips of any length, are joined."""
    for each in series:
        x = [_scaled(figure.x.kind, _number(point.x)) for point in each.points]
        axes.plot(x, _values(figure, each), color=look.colour(each), alpha=0.35, linewidth=0.8)
        axes.errorbar(x, _values(figure, each), yerr=_errors(figure, each), elinewidth=0.7,
                      linestyle="none", **look.of(each))  # fmt: skip
    _cost_axis(axes, figure, series)


def by_target(figure: Figure) -> Figure:
    """Return a graph with a panel for each model that the first one becomes, if there are more."""
    changes = [edge.change.partition(" → ") for edge in figure.edges if " → " in edge.change]
    targets = list(dict.fromkeys(target for _, _, target in changes))
    if len(targets) < 2:
        return figure
    start = changes[0][0]
    series, edges = [], []
    for panel in figure.panels:
        for target in targets:
            title = f"{panel}\n{start} → {target}"
            own = [s for s in figure.series if s.panel == panel and s.colour in (start, target)]
            names = {point.label for each in own for point in each.points}
            found = [e for e in figure.edges
                     if e.panel == panel and e.source in names and e.target in names]  # fmt: skip
            if any(each.colour == target for each in own):
                series += [replace(each, panel=title) for each in own]
                edges += [replace(edge, panel=title) for edge in found]
    return replace(figure, series=tuple(series), edges=tuple(edges))


def _graph(axes: Axes, figure: Figure, series: Sequence[Series], look: Look) -> None:
    """Draw models as nodes and single changes as arrows, with what they gain."""
    panel = series[0].panel
    at: dict[str, tuple[float, float]] = {}
    for each in series:
        for point, y in zip(each.points, _values(figure, each), strict=True):
            x = _scaled(figure.x.kind, _number(point.x))
            at[point.label] = x, y
            axes.plot([x], [y], linestyle="none", zorder=3, **look.of(each))
    for each in series:
        # Away from the arrows, and from the other model on that side.
        pooled = bool(each.pooled)
        others = [s for s in series if s is not each and bool(s.pooled) is pooled]
        for label, (x, y) in ((point.label, at[point.label]) for point in each.points):
            above = all(at[p.label][1] <= y for other in others for p in other.points)
            offset = (-6 if pooled else 6, (4 if above else -4) * bool(others))
            axes.annotate(
                short_text(label, 16), (x, y), xytext=offset, fontsize=6.5,
                textcoords="offset points", va="center", ha="right" if pooled else "left",
            )  # fmt: skip
    for edge in figure.edges:
        if edge.panel != panel:
            continue
        (x0, y0), (x1, y1) = at[edge.source], at[edge.target]
        arrow = {"arrowstyle": "-|>", "color": "#5c636b", "linewidth": 0.7, "shrinkA": 4,
                 "shrinkB": 4, "mutation_scale": 7}  # fmt: skip
        axes.annotate("", (x1, y1), xytext=(x0, y0), arrowprops=arrow)
        # Nearer to where it starts: arrows to and fro have their gains apart.
        x, y = (x0**0.58 * x1**0.42 if min(x0, x1) > 0 else x0), 0.58 * y0 + 0.42 * y1
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axes.text(x, y, _signed(100 * edge.gain), fontsize=6, ha="center", va="center", zorder=4,
                  bbox=ground)  # fmt: skip
    _cost_axis(axes, figure, series, room=0.35)
    axes.margins(y=0.12)


def _bars(axes: Axes, figure: Figure, series: Sequence[Series], look: Look) -> None:
    """Draw values of names, a row each, a bar for each series."""
    names = list(dict.fromkeys(str(point.x) for each in series for point in each.points))
    place = {name: number for number, name in enumerate(names)}
    thick = 0.8 / len(series)
    for number, each in enumerate(series):
        rows = [place[str(point.x)] - 0.4 + (number + 0.5) * thick for point in each.points]
        filled = look.colour(each) if each.pooled or not look.pooling else "white"
        axes.barh(rows, _values(figure, each), thick, color=filled, edgecolor=look.colour(each),
                  linewidth=0.6)  # fmt: skip
    axes.set_yticks(range(len(names)), [short_text(name, 26) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.axvline(0, color="#5c636b", linewidth=0.7)


def _ranks(axes: Axes, figure: Figure, series: Sequence[Series], look: Look) -> None:
    """Draw values of many names by rank, and name those at both ends."""
    for each in series:
        style = {**look.of(each), "markersize": 2, "markeredgewidth": 0.5}
        axes.plot(range(1, len(each.points) + 1), _values(figure, each), linestyle="none", **style)
    first, *_, last = (short_text(str(point.x), 30) for point in series[0].points)
    axes.set_xlabel(f"{figure.x.title}, by rank\nfirst: {first}\nlast: {last}")
    _zero(axes, figure)


def draw_agreement(axes: Axes, told: Agreement) -> None:
    """Draw how much models agree: a matrix of correlations."""
    count = len(told.names)
    if count < 2:
        axes.set_visible(False)
        return
    values = [[math.nan if v is None else v for v in row] for row in told.values]
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1.4, aspect="auto")
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            text = "-" if math.isnan(value) else f"{value:.2f}"
            axes.text(j, i, text, ha="center", va="center", fontsize=5.5)
    names = [short_text(name, 12) for name in told.names]
    axes.set_xticks(range(count), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), names)
    axes.grid(visible=False)
    axes.set_title("correlation over classes", loc="left", fontsize=6.5)


def _cost_axis(axes: Axes, figure: Figure, series: Sequence[Series], room: float = 0.12) -> None:
    """Give a cost a logarithmic axis with round ticks, and room for names."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    values = [_scaled(figure.x.kind, _number(p.x)) for each in series for p in each.points]
    low, high = min(values), max(values)
    if low <= 0:
        return
    if high / low > 3:
        axes.set_xscale("log")
        ticks = [step * 10.0**power for power in range(math.floor(math.log10(low)),
                 math.ceil(math.log10(high)) + 1) for step in (1, 2, 5)]  # fmt: skip
        near = [tick for tick in ticks if low / 1.5 <= tick <= high * 1.5]
        axes.set_xticks(near, [f"{tick:g}" for tick in near])
        axes.minorticks_off()
        spread = (high / low) ** room
        axes.set_xlim(low / spread, high * spread)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        spread = room * (high - low) or 0.2 * high
        axes.set_xlim(low - spread, high + spread)


def _zero(axes: Axes, figure: Figure) -> None:
    if figure.y.kind == "points":
        axes.axhline(0, color="#5c636b", linewidth=0.7)


def _values(figure: Figure, series: Series) -> list[float]:
    return [
        math.nan if point.y is None else _scaled(figure.y.kind, point.y) for point in series.points
    ]


def _errors(figure: Figure, series: Series) -> Any:
    """Return what intervals go below and above their values, None where there are none."""
    if all(point.low is None for point in series.points):
        return None
    told = [_error(figure, point) for point in series.points]
    return [[low for low, _ in told], [high for _, high in told]]


def _error(figure: Figure, point: Point) -> tuple[float, float]:
    if point.y is None or point.low is None or point.high is None:
        return 0.0, 0.0
    # An interval by percentiles need not hold the estimate.
    below, above = max(0.0, point.y - point.low), max(0.0, point.high - point.y)
    return _scaled(figure.y.kind, below), _scaled(figure.y.kind, above)


def _scaled(kind: str, value: float) -> float:
    return value * {"share": 100.0, "points": 100.0, "macs": 1e-9}.get(kind, 1.0)


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _signed(value: float) -> str:
    told = f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")
    return told if float(f"{value:.1f}") else "0.0"


Panel = Callable[["Axes", Figure, Sequence[Series], Look], None]
PANELS: dict[str, Panel] = {
    "lines": _lines,
    "values": _beside,
    "scatter": _scatter,
    "graph": _graph,
    "bars": _bars,
    "ranks": _ranks,
}
HEIGHTS: dict[str, Callable[[int, int], float]] = {
    "lines": lambda names, series: 2.0,
    "values": lambda names, series: 0.6 + 0.16 * names,
    "scatter": lambda names, series: 2.2,
    "graph": lambda names, series: 2.1,
    "bars": lambda names, series: 0.6 + names * max(0.14, 0.06 * series),
    "ranks": lambda names, series: 2.3,
}
"""Inches of a panel, by how many names it has and how many series."""
