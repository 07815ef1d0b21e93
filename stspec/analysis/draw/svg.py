"""A figure as SVG: stages from left to right, and below them the inside of a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from stspec.analysis.draw.columns import columns
from stspec.analysis.draw.figure import INPUT, Figure, Inside, Stage
from stspec.analysis.draw.ink import (
    ARROW,
    GAP,
    LEGEND,
    LINE,
    MARGIN,
    STYLE,
    WIDTH,
    arrow,
    line,
    lines_of,
    rect,
    text,
)
from stspec.analysis.draw.layout import Point, lay_out
from stspec.analysis.draw.parts import Emphasis, Part, strongest


def svg(figure: Figure) -> str:
    """Return a figure as an SVG document, 1080 pixels wide.

    Stages stand from left to right; those of several pathways in columns, from top to bottom.
    """
    top = 76
    body = [
        text(MARGIN, 32, figure.title, "title", "start"),
        text(MARGIN, 52, figure.about, "note", "start"),
    ]
    bottom: float
    if figure.pathways:
        drawn, bottom = columns(figure, figure.pathways, top)
        body += drawn
    else:
        tall = _stage_height(figure.stages)
        body += _overview(figure, top, tall)
        bottom = top + tall
    levels = {part.emphasis for stage in figure.stages for part in stage.parts}
    if figure.inside and figure.pathways:
        grid = _Grid(figure.inside, bottom + 26, WIDTH / 2)
        body += _panel(figure.inside, grid)
    elif figure.inside:
        grid = _Grid(figure.inside, bottom + 48, _centre(figure))
        body += _leaders(figure, bottom, grid)
        body += _panel(figure.inside, grid)
    if figure.inside:
        levels |= {part.emphasis for part in figure.inside.parts.values()}
        bottom = grid.bottom
    body += _legend(bottom + 22, levels)
    height = bottom + 46
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
        f'height="{height:g}" role="img" aria-label="{escape(figure.title)}">'
    )
    paper = f'<rect width="{WIDTH}" height="{height:g}" fill="#ffffff"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", ARROW, paper, *body, "</svg>", ""])


def _wide(figure: Figure) -> float:
    """Return the width of a stage's box; in front of the first stands the clip's arrow."""
    count = len(figure.stages)
    return (WIDTH - 2 * MARGIN - count * GAP) / count


def _left(figure: Figure, index: int) -> float:
    return MARGIN + GAP + index * (_wide(figure) + GAP)


def _stage_height(stages: Sequence[Stage]) -> int:
    return 70 + LINE * max(len(lines_of(stage.parts, 21)) for stage in stages)


def _overview(figure: Figure, top: int, tall: int) -> Iterator[str]:
    wide, middle = _wide(figure), top + tall / 2
    yield text(MARGIN, top - 8, f"clip {figure.input}", "note", "start")
    for index, stage in enumerate(figure.stages):
        x = _left(figure, index)
        yield arrow([(x - GAP, middle), (x - 1, middle)])
        yield rect(x, top, wide, tall, _level(stage))
        yield text(x + wide / 2, top + 22, stage.name, "name")
        for row, each in enumerate(lines_of(stage.parts, 21)):
            yield line(x + wide / 2, top + 44 + row * LINE, each, wide)
        rule = f"M{x + 8:g} {top + tall - 26:g} h{wide - 16:g}"
        yield f'<path d="{rule}" stroke="#c3cad3" stroke-width="1"/>'
        yield text(x + wide / 2, top + tall - 9, stage.output, "note")


def _level(stage: Stage) -> Emphasis:
    """Return a stage's emphasis: that of its blocks, since single lines show their own."""
    return strongest(part.emphasis for part in stage.parts)


def _stage_of(figure: Figure) -> int:
    """Return the index of the stage that the block is from."""
    assert figure.inside is not None
    names = [stage.name.removeprefix("stage ") for stage in figure.stages]
    return names.index(figure.inside.stage)


def _centre(figure: Figure) -> float:
    return _left(figure, _stage_of(figure)) + _wide(figure) / 2


def _leaders(figure: Figure, top: float, grid: _Grid) -> Iterator[str]:
    """Yield the dashed lines from the block's stage to the panel."""
    x = _left(figure, _stage_of(figure))
    corners = ((x, grid.left), (x + _wide(figure), grid.left + grid.width))
    for start, end in corners:
        yield f'<path class="zoom" d="M{start:g} {top:g} L{end:g} {grid.top:g}"/>'


def _panel(inside: Inside, grid: _Grid) -> Iterator[str]:
    yield (
        f'<rect class="zoom" x="{grid.left:g}" y="{grid.top:g}" width="{grid.width:g}" '
        f'height="{grid.bottom - grid.top:g}" rx="8" style="fill:#fafbfc"/>'
    )
    yield text(grid.left + 14, grid.top + 24, f"{inside.title} ({inside.path})", "name", "start")
    for points in grid.layout.edges:
        yield arrow(grid.route(points))
    for name, point in grid.layout.boxes.items():
        if name == INPUT:
            yield text(grid.x(point) - 12, grid.y(point) + 4, "x", "name")
        else:
            yield from grid.box(inside.parts[name], point)
    last = max(grid.layout.boxes.values(), key=lambda point: point.layer)
    end = grid.x(last) + grid.half(last)
    yield arrow([(end, grid.y(last)), (end + 26, grid.y(last))])


class _Grid:
    """Places of the grid in pixels; layers run from left to right, the panel around them."""

    def __init__(self, inside: Inside, top: float, centre: float) -> None:
        self.parts = inside.parts
        self.layout = lay_out(inside)
        self.names = {point: name for name, point in self.layout.boxes.items()}
        # Where data comes in needs half a place, where it leaves a little more.
        places = self.layout.layers - 0.35
        self.step = min(170.0, (WIDTH - 2 * MARGIN - 60) / places)
        self.width = max(260.0, places * self.step + 44)
        self.left = min(max(MARGIN, centre - self.width / 2), WIDTH - MARGIN - self.width)
        self.top = top
        self.lanes = self._lanes(top + 40)
        self.bottom = self.lanes.pop() + 10

    def _lanes(self, top: float) -> list[float]:
        """Return where lanes begin, and where the last one ends; lanes of edges are narrow."""
        tops = [top]
        for lane in range(self.layout.lanes):
            full = any(point.lane == lane for point in self.layout.boxes.values())
            tops.append(tops[-1] + (76 if full else 34))
        return tops

    @property
    def wide(self) -> float:
        """Return the width of a box."""
        return self.step - 30

    def x(self, point: Point) -> float:
        """Return the middle of a layer."""
        if point.layer == 0:
            return self.left + 34
        return self.left + 40 + (point.layer - 0.35) * self.step

    def y(self, point: Point) -> float:
        """Return the middle of a lane's boxes, or of its edges where it has no boxes."""
        ends = [*self.lanes, self.bottom - 10]
        full = ends[point.lane + 1] - ends[point.lane] > 40
        return ends[point.lane] + (38 if full else 10)

    def half(self, point: Point) -> float:
        """Return half the width of what stands at a place; edges that pass by have none."""
        name = self.names.get(point)
        if name is None or name == INPUT:
            return 0
        return 13 if self.parts[name].title == "add" else self.wide / 2

    def route(self, points: Sequence[Point]) -> list[tuple[float, float]]:
        """Return an edge's corners: it turns between layers."""
        found: list[tuple[float, float]] = []
        for a, b in pairwise(points):
            turn = self.x(b) - self.wide / 2 - 15
            found.append((self.x(a) + self.half(a), self.y(a)))
            if a.lane != b.lane:
                found += [(turn, self.y(a)), (turn, self.y(b))]
            found.append((self.x(b) - self.half(b), self.y(b)))
        return list(dict.fromkeys(found))

    def box(self, part: Part, point: Point) -> Iterator[str]:
        """Yield a box, or the sign of a sum."""
        x, y = self.x(point), self.y(point)
        if part.title == "add":
            yield (
                f'<circle cx="{x:g}" cy="{y:g}" r="13" fill="#ffffff" stroke="#5f6b7a" '
                'stroke-width="1.2"/>'
            )
            yield f'<path class="edge" d="M{x - 7:g} {y:g} h14 M{x:g} {y - 7:g} v14"/>'
            if part.note:
                yield text(x, y + 28, part.note, "note")
            return
        yield rect(x - self.wide / 2, y - 24, self.wide, 48, part.emphasis)
        title = Part(part.title, "", part.emphasis)
        yield line(x, y - 2 if part.note else y + 4, title, self.wide)
        if part.note:
            yield text(x, y + 14, part.note, "note")


def _legend(y: float, levels: set[Emphasis]) -> Iterator[str]:
    x = MARGIN
    for emphasis, words in LEGEND:
        if emphasis in levels:
            yield rect(x, y - 10, 18, 13, emphasis, 3)
            yield text(x + 25, y + 1, words, "note", "start")
            x += 190
