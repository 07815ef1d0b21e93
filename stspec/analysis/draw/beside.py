"""Two pathways in characters: their stages side by side, and between them what they give."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stspec.analysis.draw.parts import Emphasis, Part
from stspec.analysis.draw.pathways import Cell, Pathways

Colour = Callable[[str, Emphasis], str]
"""Colours what the policy did, or leaves the text alone."""

_BETWEEN = 8
_DOWN, _VERTICAL = "\N{DOWNWARDS ARROW}", "\N{BOX DRAWINGS LIGHT VERTICAL}"

Row = list[tuple[str, Emphasis]]
"""Pieces of one line, each with its emphasis."""


def beside(shown: Pathways, width: int, colour: Colour) -> Iterator[str]:
    """Yield the lines of two pathways, stage by stage, over so many columns."""
    wide = (width - _BETWEEN) // 2
    yield _pair([f"{name:^{wide}}" for name in shown.columns])
    for index, stage in enumerate(shown.stages):
        flows = [_flows(shown, index, name) for name in shown.columns]
        yield _pair([f"{flow:^{wide}}" for flow in flows])
        boxes = [_box(shown, stage, name, wide) for name in shown.columns]
        tall = max(map(len, boxes))
        between = _between(shown, stage, tall)
        blank = [f"{_VERTICAL if flow == _VERTICAL else '':^{wide}}" for flow in flows]
        for row in range(tall + 2):
            left, right = (
                _shown(box, row, tall, wide, colour) if box else empty
                for box, empty in zip(boxes, blank, strict=True)
            )
            yield left + between.get(row, " " * _BETWEEN) + right
    yield _pair([f"{_DOWN if name in shown.ends else ' ':^{wide}}" for name in shown.columns])


def _flows(shown: Pathways, index: int, column: str) -> str:
    """Return what leads into a stage: an arrow, a line that passes it by, or nothing."""
    here = (shown.stages[index], column) in shown.cells
    before = any((stage, column) in shown.cells for stage in shown.stages[:index])
    if here:
        return _DOWN if before or column in shown.starts else ""
    after = any((stage, column) in shown.cells for stage in shown.stages[index:])
    return _VERTICAL if before and (after or column in shown.ends) else ""


def _pair(texts: list[str]) -> str:
    return (" " * _BETWEEN).join(texts)


def _box(shown: Pathways, stage: str, column: str, wide: int) -> list[Row]:
    """Return what stands in a box, line by line; nothing where there is none."""
    cell = shown.cells.get((stage, column))
    if cell is None:
        return []
    rows: list[Row] = [[(f"stage {stage}", "plain"), (_right(cell, stage, wide), "plain")]]
    rows += _parts(cell.parts, wide - 4)
    for link in shown.links:
        if link.source == (stage, column):
            done = ", ".join(_words(part) for part in link.parts)
            rows.append([(f"to {link.target[1]}: {done}".rstrip(": ")[: wide - 4], "plain")])
    return rows


def _right(cell: Cell, stage: str, wide: int) -> str:
    return f"{cell.output:>{wide - 4 - len(stage) - 6}}"


def _parts(parts: tuple[Part, ...], room: int) -> list[Row]:
    rows: list[Row] = [[]]
    used = 0
    for part in parts:
        words = _words(part)[:room]
        if used and used + len(words) + 3 > room:
            rows.append([])
            used = 0
        if used:
            rows[-1].append((" \N{MIDDLE DOT} ", "plain"))
            used += 3
        rows[-1].append((words, part.emphasis))
        used += len(words)
    return rows


def _words(part: Part) -> str:
    """Return a part with its strides."""
    note = part.note if part.note.startswith(("/", "time")) else ""
    return f"{part.title} {note}".rstrip()


def _shown(box: list[Row], row: int, tall: int, wide: int, colour: Colour) -> str:
    """Return a line of a box, its borders included."""
    if row == 0:
        return "\u250c" + "\u2500" * (wide - 2) + "\u2510"
    if row == tall + 1:
        return "\u2514" + "\u2500" * (wide - 2) + "\u2518"
    pieces = box[row - 1] if row <= len(box) else []
    gap = " " * (wide - 4 - sum(len(words) for words, _ in pieces))
    return "\u2502 " + "".join(colour(words, level) for words, level in pieces) + gap + " \u2502"


def _between(shown: Pathways, stage: str, tall: int) -> dict[int, str]:
    """Return the arrows between two boxes by their rows, from the last row up."""
    found: dict[int, str] = {}
    line = "\u2500" * (_BETWEEN - 3)
    for link in reversed(shown.links):
        if link.source[0] == stage:
            back = link.target[1] == shown.columns[0]
            arrow = (
                f"\N{BLACK LEFT-POINTING POINTER}{line}"
                if back
                else f"{line}\N{BLACK RIGHT-POINTING POINTER}"
            )
            found[max(1, tall - len(found))] = f" {arrow} "
    return found
