"""A model of several pathways as SVG: columns from top to bottom, with what they give each other.

The head stands below all columns that it reads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from stspec.analysis.draw.figure import Figure
from stspec.analysis.draw.ink import LINE, MARGIN, WIDTH, arrow, line, lines_of, rect, text
from stspec.analysis.draw.parts import Part, strongest
from stspec.analysis.draw.pathways import Link, Pathways, Place

_BETWEEN, _ROOM = 170, 40
"""Pixels between columns, where links are told, and characters of a box's line."""
_DOWN = 30
"""Pixels from one stage to the next."""
_HEAD = "head"


def columns(figure: Figure, shown: Pathways, top: float) -> tuple[list[str], float]:
    """Return the drawing of a model's pathways below a height, and where it ends."""
    grid = _Columns(figure, shown, top)
    return list(grid.drawn()), grid.bottom


class _Columns:
    """Places of cells in pixels."""

    def __init__(self, figure: Figure, shown: Pathways, top: float) -> None:
        self.figure, self.shown = figure, shown
        count = len(shown.columns)
        self.between = min(_BETWEEN, (WIDTH - 2 * MARGIN) / (2 * count))
        room = (WIDTH - 2 * MARGIN - (count - 1) * self.between) / count
        self.wide = min(290.0, room)
        whole = count * self.wide + (count - 1) * self.between
        self.left = (WIDTH - whole) / 2
        self.tops: dict[str, float] = {}
        self.tall: dict[str, float] = {}
        y = top + 62
        for stage in (*shown.stages, _HEAD):
            self.tops[stage], self.tall[stage] = y, self._height(stage)
            y += self.tall[stage] + _DOWN
        self.bottom = y - _DOWN
        self.told: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        """How many links there are already between two columns beside a stage."""

    def _height(self, stage: str) -> float:
        if stage == _HEAD:
            return 48 + LINE * len(self._lines(self.shown.head.parts))
        cells = [self.shown.cells.get((stage, name)) for name in self.shown.columns]
        most = max(len(self._lines(cell.parts)) for cell in cells if cell is not None)
        leaving = [link for link in self.shown.links if link.source[0] == stage]
        return max(64 + LINE * most, 40 + 36 * len(leaving))

    def _lines(self, parts: tuple[Part, ...]) -> list[Part]:
        return lines_of(parts, int(_ROOM * self.wide / 290))

    def x(self, column: str) -> float:
        """Return where a column begins."""
        return self.left + self.shown.columns.index(column) * (self.wide + self.between)

    def drawn(self) -> Iterator[str]:
        """Yield everything, arrows first."""
        yield from self._flow()
        for place in self.shown.cells:
            yield from self._cell(place)
        yield from self._last()
        for link in self.shown.links:
            yield from self._link(link)

    def _flow(self) -> Iterator[str]:
        """Yield columns' names and the arrows down them, from the clip where they read it."""
        for name in self.shown.columns:
            middle = self.x(name) + self.wide / 2
            stages = [stage for stage in self.shown.stages if (stage, name) in self.shown.cells]
            first = self.tops[stages[0]]
            yield text(middle, self.tops[self.shown.stages[0]] - 46, name, "name")
            if name in self.shown.starts:
                yield text(middle, first - 30, f"clip {self.figure.input}", "note")
                yield arrow([(middle, first - 24), (middle, first - 1)])
            ends = [*stages, _HEAD] if name in self.shown.ends else stages
            for before, after in pairwise(ends):
                start = self.tops[before] + self.tall[before]
                yield arrow([(middle, start), (middle, self.tops[after] - 1)])

    def _cell(self, place: Place) -> Iterator[str]:
        stage, name = place
        cell = self.shown.cells[place]
        x, y, tall = self.x(name), self.tops[stage], self.tall[stage]
        yield from self._box(x, y, self.wide, tall, cell.parts, f"stage {stage}")
        rule = f"M{x + 8:g} {y + tall - 24:g} h{self.wide - 16:g}"
        yield f'<path d="{rule}" stroke="#c3cad3" stroke-width="1"/>'
        yield text(x + self.wide / 2, y + tall - 8, cell.output, "note")

    def _box(
        self, x: float, y: float, wide: float, tall: float, parts: tuple[Part, ...], title: str
    ) -> Iterator[str]:
        yield rect(x, y, wide, tall, strongest(part.emphasis for part in parts))
        yield text(x + wide / 2, y + 17, title, "name")
        for row, each in enumerate(self._lines(parts)):
            yield line(x + wide / 2, y + 35 + row * LINE, each, wide)

    def _last(self) -> Iterator[str]:
        parts, output = self.shown.head.parts, self.shown.head.output
        ends = [self.x(name) for name in self.shown.ends]
        x, wide = min(ends), max(ends) - min(ends) + self.wide
        y, tall = self.tops[_HEAD], self.tall[_HEAD]
        yield from self._box(x, y, wide, tall, parts, _HEAD)
        yield text(x + wide / 2, y + tall - 8, output, "note")

    def _link(self, link: Link) -> Iterator[str]:
        """Yield an arrow from column to column, and what is done on the way above it."""
        (stage, source), (target_stage, target) = link.source, link.target
        left, right = sorted((source, target), key=self.x)
        rightward = source == left
        start = self.x(source) + (self.wide if rightward else 0)
        end = self.x(target) + (-1 if rightward else self.wide + 1)
        y = self.tops[stage] + 34 + 36 * self.told[stage, left, right]
        self.told[stage, left, right] += 1
        lines = self._lines(link.parts)
        y += max(0, LINE * (len(lines) - 1))
        turn = self.tops[target_stage] + 20 if target_stage != stage else y
        edge = end + (-20 if rightward else 20)
        corners = [(start, y), (edge, y), (edge, turn), (end, turn)]
        yield arrow(corners if turn != y else [(start, y), (end, y)])
        middle = (start + end) / 2
        for row, each in enumerate(lines):
            height = y - 7 - LINE * (len(lines) - 1 - row)
            yield line(middle, height, each, self.between - 8)
