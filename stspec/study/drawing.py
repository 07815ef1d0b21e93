"""Figures as SVG and PDF for papers, drawn by matplotlib: the same figure gives the same bytes.

Colours are those of Okabe and Ito (2008), which the colour-blind can tell apart; what differs in
colour differs in its mark as well. Imports matplotlib where a figure is drawn.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from stspec.diagnostics import Diagnostic, SpecError
from stspec.study.drawn_look import SOFT, Look, short_text
from stspec.study.drawn_panels import HEIGHTS, PANELS, by_target, draw_agreement
from stspec.study.statistics import needs_extra
from stspec.study.tables import Axis, Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

Form = Literal["svg", "pdf"]
WIDTHS = (3.5, 5.5, 7.0)
"""Inches, of one, two and three panels beside one another: one column of a paper, or two."""
MOST_PANELS = 12
"""That a page has room for."""
_INK, _LINE = "#1c1f23", "#d4d7da"
_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"], "font.size": 7.5, "axes.labelsize": 7.5,
    "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": SOFT, "axes.linewidth": 0.6,
    "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelcolor": _INK, "ytick.labelcolor": _INK,
    "axes.grid": True, "grid.color": _LINE, "grid.linewidth": 0.5, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "lines.linewidth": 1.1, "lines.markersize": 4, "text.parse_math": False,
    "svg.hashsalt": "stspec", "svg.fonttype": "path", "pdf.fonttype": 42,
}  # fmt: skip
_MOST_NAMES = 40
"""Classes that are named on an axis; of more the first and the last are."""
_UNITS = {"share": "%", "points": "points", "macs": "GMACs"}


def draw(figure: Figure, form: Form) -> bytes:
    """Return a figure as the content of a file.

    Args:
        figure: such as `make_figure` gives.
        form: svg (texts are outlines, so that it looks the same everywhere) or pdf.

    Raises:
        SpecError: `missing-extra` without matplotlib; `nothing-to-draw`, if it has no points.
    """
    if not figure.series or (figure.kind == "graph" and not figure.edges):
        message = f"there is nothing to draw in {figure.name}"
        help = figure.notes[0] if figure.notes else "the store has no results of this kind"
        raise SpecError(Diagnostic("nothing-to-draw", message, help=help))
    with _style():
        canvas = _drawn(figure)
        buffer = io.BytesIO()
        none = {"Date": None} if form == "svg" else {"CreationDate": None}
        canvas.savefig(buffer, format=form, metadata={**none, "Title": figure.title})
    return buffer.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    """Draw by matplotlib's own defaults and ours, whatever the user's are."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise needs_extra("drawing", "matplotlib") from None
    # What a font lacks is drawn as an empty box, which is seen in the figure.
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        logging.getLogger("matplotlib").setLevel(logging.ERROR)
        mpl.rcdefaults()
        params: Any = mpl.rcParams
        for name, value in _STYLE.items():
            params[name] = value
        yield


def _drawn(figure: Figure) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    figure = by_target(figure)
    panels = figure.panels
    columns = min(len(WIDTHS), len(panels))
    rows = -(-len(panels) // columns)
    kind = _kind(figure)
    shown = figure.agreements if any(len(a.names) > 1 for a in figure.agreements) else ()
    look = Look(figure.series)
    key = look.key() if kind != "values" else []
    names = max(
        sum(s.panel == panel for s in figure.series)
        if kind == "values" else len(_rows(figure, panel))
        for panel in panels
    )  # fmt: skip
    height = HEIGHTS[kind](names, len(look.colours))
    below = 0.35 + 0.17 * max(len(a.names) for a in shown) if shown else 0.0
    width = WIDTHS[columns - 1]
    across = max(2, int(width * 1.15))
    tall = rows * (height + below) + 0.17 * -(-len(key) // across) + 0.1
    canvas = Canvas(figsize=(width, tall), layout="constrained")
    depth = 2 if shown else 1
    ratios = [height, below][:depth] * rows
    grid = canvas.subplots(rows * depth, columns, squeeze=False, height_ratios=ratios)
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        axes = grid[row * depth][column]
        own = [grid[row * depth + i][column] for i in range(depth)]
        if number >= len(panels):
            for each in own:
                each.set_visible(False)
            continue
        panel = panels[number]
        title = "\n".join(short_text(line, 38) for line in panel.split("\n"))
        axes.set_title(title, loc="left", fontweight="bold", fontsize=7.5)
        PANELS[kind](axes, figure, [s for s in figure.series if s.panel == panel], look)
        _axis(axes, figure, kind, column == 0)
        if shown:
            draw_agreement(own[1], next(a for a in shown if a.panel == panel))
    if key:
        canvas.legend(handles=key, loc="outside lower center", ncols=min(across, len(key)),
                      handletextpad=0.2, columnspacing=1.2)  # fmt: skip
    return canvas


def _rows(figure: Figure, panel: str) -> Sequence[str]:
    """Return what has a row of its own where points are named."""
    own = [series for series in figure.series if series.panel == panel]
    return list(dict.fromkeys(str(p.x) for series in own for p in series.points))


def _kind(figure: Figure) -> str:
    """Return how panels are drawn: many names by rank, single values beside their names."""
    names = [len(_rows(figure, panel)) for panel in figure.panels]
    if figure.kind == "bars":
        return "ranks" if max(names) > _MOST_NAMES else "bars"
    alone = figure.kind == "lines" and set(names) == {1} and len(figure.series) > 1
    return "values" if alone else figure.kind


def _axis(axes: Axes, figure: Figure, kind: str, first: bool) -> None:
    """Name the axes; values that stand beside names go along x."""
    if kind in ("bars", "values"):
        axes.set_xlabel(_title(figure.y))
        return
    if kind != "ranks":
        axes.set_xlabel(_title(figure.x))
    if first:
        axes.set_ylabel(_title(figure.y))


def _title(axis: Axis) -> str:
    if axis.kind == "macs":
        return _UNITS["macs"]
    unit = _UNITS.get(axis.kind)
    return f"{axis.title}, {unit}" if unit else axis.title
