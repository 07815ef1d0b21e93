"""A figure as SVG: stages from left to right, and below them the inside of a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from stspec.analysis.draw.figure import INPUT, Emphasis, Figure, Inside, Part, Stage, strongest
from stspec.analysis.draw.layout import Point, lay_out

WIDTH = 1080
MARGIN, GAP = 24, 26
_LINE = 16
_CHARACTER = 6.3
"""Width of a character of 11.5 pixels, roughly."""

_FILL: dict[Emphasis, str] = {"plain": "#ffffff", "changed": "#e6effc", "inserted": "#fdecd2"}
_STROKE: dict[Emphasis, str] = {"plain": "#5f6b7a", "changed": "#2b62b8", "inserted": "#c06a00"}
_WEIGHT: dict[Emphasis, str] = {"plain": "1.2", "changed": "1.6", "inserted": "2"}
_LEGEND: tuple[tuple[Emphasis, str], ...] = (
    ("inserted", "inserted by the policy"),
    ("changed", "converted by the policy"),
    ("plain", "as in the image backbone"),
)
_STYLE = (
    "text{font-family:Helvetica,Arial,sans-serif;font-size:11.5px;fill:#1d2733}"
    ".title{font-size:17px;font-weight:bold}.name{font-weight:bold}"
    ".note{fill:#5f6b7a;font-size:10.5px}.edge{fill:none;stroke:#5f6b7a;stroke-width:1.2}"
    ".zoom{stroke:#9aa5b1;stroke-width:1;stroke-dasharray:4 3;fill:none}"
)
_ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#5f6b7a"/></marker></defs>'
)


def svg(figure: Figure) -> str:
    """Return a figure as an SVG document, 1080 pixels wide."""
    tall = _stage_height(figure.stages)
    top = 76
    body = list(_overview(figure, top, tall))
    bottom: float = top + tall
    levels = {part.emphasis for stage in figure.stages for part in stage.parts}
    if figure.inside:
        grid = _Grid(figure.inside, bottom + 48, _centre(figure))
        body += _leaders(figure, bottom, grid)
        body += _panel(figure.inside, grid)
        levels |= {part.emphasis for part in figure.inside.parts.values()}
        bottom = grid.bottom
    body += _legend(bottom + 22, levels)
    height = bottom + 46
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
        f'height="{height:g}" role="img" aria-label="{escape(figure.title)}">'
    )
    paper = f'<rect width="{WIDTH}" height="{height:g}" fill="#ffffff"/>'
    return "\n".join([head, f"<style>{_STYLE}</style>", _ARROW, paper, *body, "</svg>", ""])


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{style}>{escape(text)}</text>'


def _rect(x: float, y: float, w: float, h: float, emphasis: Emphasis, radius: int = 6) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{radius}" '
        f'fill="{_FILL[emphasis]}" stroke="{_STROKE[emphasis]}" '
        f'stroke-width="{_WEIGHT[emphasis]}"/>'
    )


def _arrow(points: Sequence[tuple[float, float]]) -> str:
    path = " L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path class="edge" d="M{path}" marker-end="url(#arrow)"/>'


def _wide(figure: Figure) -> float:
    """Return the width of a stage's box; in front of the first stands the clip's arrow."""
    count = len(figure.stages)
    return (WIDTH - 2 * MARGIN - count * GAP) / count


def _left(figure: Figure, index: int) -> float:
    return MARGIN + GAP + index * (_wide(figure) + GAP)


def _stage_height(stages: Sequence[Stage]) -> int:
    return 70 + _LINE * max(len(_lines(stage, 21)) for stage in stages)


def _lines(stage: Stage, room: int) -> list[Part]:
    """Return a stage's parts as lines, notes on their own where they do not fit beside."""
    lines: list[Part] = []
    for part in stage.parts:
        whole = f"{part.title} {part.note}".rstrip()
        if len(whole) <= room:
            lines.append(Part(whole, "", part.emphasis))
        else:
            notes = [part.note] if part.note.startswith(("/", "time")) else []
            lines += [Part(text, "", part.emphasis) for text in (part.title, *notes)]
    return lines


def _overview(figure: Figure, top: int, tall: int) -> Iterator[str]:
    yield _text(MARGIN, 32, figure.title, "title", "start")
    yield _text(MARGIN, 52, figure.about, "note", "start")
    wide, middle = _wide(figure), top + tall / 2
    yield _text(MARGIN, top - 8, f"clip {figure.input}", "note", "start")
    for index, stage in enumerate(figure.stages):
        x = _left(figure, index)
        yield _arrow([(x - GAP, middle), (x - 1, middle)])
        yield _rect(x, top, wide, tall, _level(stage))
        yield _text(x + wide / 2, top + 22, stage.name, "name")
        for row, line in enumerate(_lines(stage, 21)):
            yield _line(x + wide / 2, top + 44 + row * _LINE, line, wide)
        rule = f"M{x + 8:g} {top + tall - 26:g} h{wide - 16:g}"
        yield f'<path d="{rule}" stroke="#c3cad3" stroke-width="1"/>'
        yield _text(x + wide / 2, top + tall - 9, stage.output, "note")


def _level(stage: Stage) -> Emphasis:
    """Return a stage's emphasis: that of its blocks, since single lines show their own."""
    return strongest(part.emphasis for part in stage.parts)


def _line(x: float, y: float, part: Part, wide: float) -> str:
    colour = "#1d2733" if part.emphasis == "plain" else _STROKE[part.emphasis]
    squeeze = ""
    if len(part.title) * _CHARACTER > wide - 10:
        squeeze = f' textLength="{wide - 12:g}" lengthAdjust="spacingAndGlyphs"'
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="middle" style="fill:{colour}"{squeeze}>'
        f"{escape(part.title)}</text>"
    )


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
    yield _text(grid.left + 14, grid.top + 24, f"{inside.title} ({inside.path})", "name", "start")
    for points in grid.layout.edges:
        yield _arrow(grid.route(points))
    for name, point in grid.layout.boxes.items():
        if name == INPUT:
            yield _text(grid.x(point) - 12, grid.y(point) + 4, "x", "name")
        else:
            yield from grid.box(inside.parts[name], point)
    last = max(grid.layout.boxes.values(), key=lambda point: point.layer)
    end = grid.x(last) + grid.half(last)
    yield _arrow([(end, grid.y(last)), (end + 26, grid.y(last))])


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
                yield _text(x, y + 28, part.note, "note")
            return
        yield _rect(x - self.wide / 2, y - 24, self.wide, 48, part.emphasis)
        title = Part(part.title, "", part.emphasis)
        yield _line(x, y - 2 if part.note else y + 4, title, self.wide)
        if part.note:
            yield _text(x, y + 14, part.note, "note")


def _legend(y: float, levels: set[Emphasis]) -> Iterator[str]:
    x = MARGIN
    for emphasis, text in _LEGEND:
        if emphasis in levels:
            yield _rect(x, y - 10, 18, 13, emphasis, 3)
            yield _text(x + 25, y + 1, text, "note", "start")
            x += 190
