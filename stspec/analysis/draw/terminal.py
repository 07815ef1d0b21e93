"""A figure in characters."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from stspec.analysis.draw.beside import Colour, beside
from stspec.analysis.draw.figure import INPUT, Figure, Inside, Stage
from stspec.analysis.draw.layout import Layout, lay_out
from stspec.analysis.draw.parts import Emphasis, Part

_BESIDE = 72
"""Columns from which on two pathways stand side by side."""

_NORTH, _EAST, _SOUTH, _WEST = 1, 2, 4, 8
_LINES = " ╵╶└╷│┌├╴┘─┴┐┤┬┼"
_BORDERS: dict[Emphasis, str] = {
    "plain": "┌─┐│└┘",
    "changed": "╔═╗║╚╝",
    "inserted": "┏━┓┃┗┛",
}


def terminal(figure: Figure, width: int = 80, colour: Colour | None = None) -> str:
    """Return a figure as text of so many columns."""
    colour = colour or (lambda text, _: text)
    head = f"{figure.title}: {figure.about}" if figure.about else figure.title
    lines = [head[:width], "", _centre(f"clip {figure.input}", width)]
    if figure.pathways and len(figure.pathways.columns) == 2 and width >= _BESIDE:
        lines += beside(figure.pathways, width, colour)
        last = Stage("head", figure.pathways.head.parts, figure.pathways.head.output)
        lines += list(_stage(last, width, colour))[1:]  # arrows lead to it already
    else:
        for stage in figure.stages:
            lines += _stage(stage, width, colour)
    if figure.inside:
        lines += ["", *_inside(figure.inside, width, colour)]
    return "\n".join(line.rstrip() for line in lines)


def _centre(text: str, width: int) -> str:
    return " " * max(0, (width - len(text)) // 2) + text


def _stage(stage: Stage, width: int, colour: Colour) -> Iterator[str]:
    """Yield the lines of a stage's box: what is in it left, what comes out right."""
    room = width - 4
    right = stage.output
    rows = list(_rows(stage, room - len(right) - 2, colour))
    yield _centre("↓", width)
    yield "┌" + "─" * (width - 2) + "┐"
    for index, (plain, shown) in enumerate(rows):
        end = right if index == 0 else ""
        gap = " " * (room - len(plain) - len(end))
        yield f"│ {shown}{gap}{end} │"
    yield "└" + "─" * (width - 2) + "┘"


def _rows(stage: Stage, room: int, colour: Colour) -> Iterator[tuple[str, str]]:
    """Yield a stage's text in lines, plain and coloured."""
    lead = f"{stage.name:<9}"
    plain, shown, empty = lead, lead, True
    for part in stage.parts:
        text = _text(part)
        if not empty and len(plain) + len(text) + 3 > room:
            yield plain, shown
            plain, shown, empty = " " * 9, " " * 9, True
        comma = "" if empty else " · "
        plain, empty = plain + comma + text, False
        shown += comma + colour(text, part.emphasis)
    yield plain, shown


def _text(part: Part) -> str:
    told = part.note if part.note.startswith(("/", "time")) else ""
    return f"{part.title} {told}".rstrip()


@dataclass(slots=True)
class _Canvas:
    """Characters and lines at places; lines that meet join."""

    lines: dict[tuple[int, int], int]
    text: dict[tuple[int, int], tuple[str, Emphasis]]

    def vertical(self, x: int, top: int, bottom: int) -> None:
        """Draw a line down a column, ends included."""
        for y in range(top, bottom + 1):
            self._add(x, y, (_NORTH if y > top else 0) | (_SOUTH if y < bottom else 0))

    def horizontal(self, y: int, x0: int, x1: int) -> None:
        """Draw a line along a row, ends included."""
        left, right = min(x0, x1), max(x0, x1)
        for x in range(left, right + 1):
            self._add(x, y, (_WEST if x > left else 0) | (_EAST if x < right else 0))

    def _add(self, x: int, y: int, mask: int) -> None:
        self.lines[x, y] = self.lines.get((x, y), 0) | mask

    def write(self, x: int, y: int, text: str, emphasis: Emphasis) -> None:
        """Write text over what is there."""
        for i, character in enumerate(text):
            self.text[x + i, y] = (character, emphasis)

    def rows(self, colour: Colour) -> Iterator[str]:
        """Yield the rows, text of one emphasis coloured as one piece."""
        places = self.lines.keys() | self.text.keys()
        for y in range(max(y for _, y in places) + 1):
            end = max((x for x, row in places if row == y), default=-1)
            yield "".join(self._pieces(y, end, colour))

    def _pieces(self, y: int, end: int, colour: Colour) -> Iterator[str]:
        piece = ""
        level: Emphasis = "plain"
        for x in range(end + 1):
            here, emphasis = self.text.get((x, y), (_LINES[self.lines.get((x, y), 0)], "plain"))
            if emphasis != level:
                yield colour(piece, level)
                piece, level = "", emphasis
            piece += here
        yield colour(piece, level)


def _inside(inside: Inside, width: int, colour: Colour) -> Iterator[str]:
    title = f"inside {inside.path}, {inside.title} (bold borders: inserted, double: converted)"
    yield from textwrap.wrap(title, width)
    yield ""
    layout = lay_out(inside)
    cell = min(30, width // layout.lanes)
    canvas = _Canvas({}, {})
    for points in layout.edges:
        _edge(canvas, [(point.layer, point.lane) for point in points], cell)
    _out(canvas, layout, cell)
    for name, point in layout.boxes.items():
        if name == INPUT:
            canvas.write(point.lane * cell + cell // 2, 0, "x", "plain")
        else:
            _box(canvas, inside.parts[name], point.layer, point.lane, cell)
    yield from canvas.rows(colour)


_TALL = 6
"""Rows from one layer to the next: a box of four, and two of edges."""


def _top(layer: int) -> int:
    return 0 if layer == 0 else 3 + (layer - 1) * _TALL


def _bottom(layer: int) -> int:
    return 0 if layer == 0 else _top(layer) + 3


def _edge(canvas: _Canvas, points: list[tuple[int, int]], cell: int) -> None:
    for (layer, lane), (below, across) in pairwise(points):
        x0, x1 = lane * cell + cell // 2, across * cell + cell // 2
        turn = _bottom(layer) + 1
        canvas.vertical(x0, _bottom(layer), turn)
        canvas.horizontal(turn, x0, x1)
        canvas.vertical(x1, turn, _bottom(below) if below < points[-1][0] else _top(below))


def _out(canvas: _Canvas, layout: Layout, cell: int) -> None:
    last = next(point for point in layout.boxes.values() if point.layer == layout.layers - 1)
    x = last.lane * cell + cell // 2
    canvas.vertical(x, _bottom(last.layer), _bottom(last.layer) + 1)
    canvas.write(x, _bottom(last.layer) + 2, "↓", "plain")


def _box(canvas: _Canvas, part: Part, layer: int, lane: int, cell: int) -> None:
    inner = cell - 4
    left, top = lane * cell + 1, _top(layer)
    a, h, b, v, c, d = tuple(_BORDERS[part.emphasis])
    rows = [
        a + h * inner + b,
        v + _fit(part.title, inner) + v,
        v + _fit(part.note, inner) + v,
        c + h * inner + d,
    ]
    for index, row in enumerate(rows):
        canvas.write(left, top + index, row, part.emphasis)


def _fit(text: str, room: int) -> str:
    text = text if len(text) <= room else text[: room - 1] + "…"
    return f"{text:^{room}}"
