"""Colours and marks of figures that are drawn, and the texts beside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stspec.study.tables import Series

COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c7a00",
)  # fmt: skip
MARKS = ("o", "s", "D", "^", "p", "*", "h", "P")
SOFT = "#5c636b"
"""The ink of axes and legends."""


def short_text(text: str, most: int = 34) -> str:
    """Return a text that can be drawn on one line: without what no font has a shape for."""
    told = "".join(each if each.isprintable() else " " for each in text)
    return told if len(told) <= most else f"{told[: most - 1]}…"


class Look:
    """Colours and marks by what series have in common."""

    def __init__(self, series: Iterable[Series]) -> None:
        every = tuple(series)
        self.colours = list(dict.fromkeys(each.colour or each.name for each in every))
        self.marks = list(dict.fromkeys(each.mark for each in every if each.mark))
        self.pooling = len({each.pooled for each in every}) > 1

    def colour(self, series: Series) -> str:
        """Return the colour of a series."""
        return COLOURS[self.colours.index(series.colour or series.name) % len(COLOURS)]

    def of(self, series: Series) -> dict[str, Any]:
        """Return what marks of a series look like: filled ones pool time."""
        if self.marks:
            at = self.marks.index(series.mark) if series.mark else 0
        else:
            at = self.colours.index(series.colour or series.name)
        colour = self.colour(series)
        filled = colour if series.pooled or not self.pooling else "white"
        return {"marker": MARKS[at % len(MARKS)], "color": colour, "markerfacecolor": filled,
                "markeredgewidth": 0.9}  # fmt: skip

    def key(self) -> list[Any]:
        """Return the entries of the legend."""
        from matplotlib.lines import Line2D

        def entry(label: str, **more: Any) -> Line2D:
            return Line2D([], [], label=label, **{"color": SOFT, "linestyle": "none", **more})

        shown = [
            entry(short_text(name), color=COLOURS[i % len(COLOURS)],
                  marker="o" if self.marks else MARKS[i % len(MARKS)])
            for i, name in enumerate(self.colours)
        ]  # fmt: skip
        if len(self.marks) > 1:
            shown += [entry(short_text(n), marker=MARKS[i % len(MARKS)])
                      for i, n in enumerate(self.marks)]  # fmt: skip
        if self.pooling:
            shown += [entry("pooled", marker="o"),
                      entry("not pooled", marker="o", markerfacecolor="white")]  # fmt: skip
        return shown if len(shown) > 1 else []
