"""What figures in SVG are drawn with: colours, boxes, arrows and lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from stspec.analysis.draw.parts import Emphasis, Part

WIDTH = 1080
MARGIN, GAP = 24, 26
LINE = 16
_CHARACTER = 6.3
"""Width of a character of 11.5 pixels, roughly."""

_FILL: dict[Emphasis, str] = {"plain": "#ffffff", "changed": "#e6effc", "inserted": "#fdecd2"}
_STROKE: dict[Emphasis, str] = {"plain": "#5f6b7a", "changed": "#2b62b8", "inserted": "#c06a00"}
_WEIGHT: dict[Emphasis, str] = {"plain": "1.2", "changed": "1.6", "inserted": "2"}
LEGEND: tuple[tuple[Emphasis, str], ...] = (
    ("inserted", "inserted by the policy"),
    ("changed", "converted by the policy"),
    ("plain", "as in the image backbone"),
)
STYLE = (
    "text{font-family:Helvetica,Arial,sans-serif;font-size:11.5px;fill:#1d2733}"
    ".title{font-size:17px;font-weight:bold}.name{font-weight:bold}"
    ".note{fill:#5f6b7a;font-size:10.5px}.edge{fill:none;stroke:#5f6b7a;stroke-width:1.2}"
    ".zoom{stroke:#9aa5b1;stroke-width:1;stroke-dasharray:4 3;fill:none}"
)
ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#5f6b7a"/></marker></defs>'
)


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "middle") -> str:
    """Return a line of text."""
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{style}>{escape(words)}</text>'


def rect(x: float, y: float, w: float, h: float, emphasis: Emphasis, radius: int = 6) -> str:
    """Return a box of an emphasis."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{radius}" '
        f'fill="{_FILL[emphasis]}" stroke="{_STROKE[emphasis]}" '
        f'stroke-width="{_WEIGHT[emphasis]}"/>'
    )


def arrow(points: Sequence[tuple[float, float]]) -> str:
    """Return an arrow through corners."""
    path = " L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path class="edge" d="M{path}" marker-end="url(#arrow)"/>'


def lines_of(parts: Iterable[Part], room: int) -> list[Part]:
    """Return parts as lines, notes on their own where they do not fit beside."""
    lines: list[Part] = []
    for part in parts:
        whole = f"{part.title} {part.note}".rstrip()
        if len(whole) <= room:
            lines.append(Part(whole, "", part.emphasis))
        else:
            notes = [part.note] if part.note.startswith(("/", "time")) else []
            lines += [Part(words, "", part.emphasis) for words in (part.title, *notes)]
    return lines


def line(x: float, y: float, part: Part, wide: float) -> str:
    """Return a part as text, squeezed where it is wider than its box."""
    colour = "#1d2733" if part.emphasis == "plain" else _STROKE[part.emphasis]
    squeeze = ""
    if len(part.title) * _CHARACTER > wide - 10:
        squeeze = f' textLength="{wide - 12:g}" lengthAdjust="spacingAndGlyphs"'
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="middle" style="fill:{colour}"{squeeze}>'
        f"{escape(part.title)}</text>"
    )
