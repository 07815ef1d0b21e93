"""Lines of source with carets under what the labels are about.

Positions are of three kinds: columns of the text (from 1), cells of the shown line (from 0; a
tab is four, a wide character two), and cells of the window that is printed of a long line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from stspec.diagnostics.cells import cells, printable, shown
from stspec.diagnostics.values import Label, Span

Paint = Callable[[str, str], str]
"""(text, style) to the text in that style; styles are `primary`, `secondary` and `gutter`."""

# Text that starts right of this many cells before the edge is moved left, to be readable.
_LEAST_TEXT = 40
# Longer lines are not measured as a whole.
_LONG_LINE = 1500


@dataclass(frozen=True, slots=True)
class Mark:
    """A label on the shown line: cells [start, end)."""

    start: int
    end: int
    label: Label

    @property
    def style(self) -> str:
        """The style of its carets and its text."""
        return "primary" if self.label.primary else "secondary"


def excerpt(line: str, labels: Sequence[Label], width: int, paint: Paint) -> list[list[str]]:
    """The shown line with the labels under it, within `width` cells.

    Returns:
        Rows in groups; the first row of a group is the line itself. There is more than one group
        where the line is too long to show all labels in one window.
    """
    if len(line) > _LONG_LINE and labels:
        return [g for label in labels for g in _of_long_line(line, label, width, paint)]
    marks = sorted((_mark(line, label) for label in labels), key=lambda m: (m.start, m.end))
    text = [(shown(c), cells(shown(c)[0]) * len(shown(c))) for c in line[:_LONG_LINE]]
    total = max([sum(n for _, n in text), *(mark.end for mark in marks)])
    if not marks:
        return [["".join(part for part, _ in text)[:width]]]
    if total <= width:
        return [["".join(part for part, _ in text), *_under(marks, width, paint)]]
    groups = []
    for mark in marks:
        row, clipped = _window(text, mark, total, width)
        groups.append([row, *_under([clipped], width, paint)])
    return groups


def _of_long_line(line: str, label: Label, width: int, paint: Paint) -> list[list[str]]:
    """The excerpt of a line of which most is never shown: only the part around is measured."""
    span = label.span
    first = max(0, min(span.column, len(line)) - 1 - _LONG_LINE // 3)
    part = line[first : first + _LONG_LINE]
    end = span.end_column if span.end_line == span.line else len(line) + 1
    end = max(min(end - first, len(part)), span.column - first + 1)
    moved = Span(span.file, span.line, span.column - first, span.line, end)
    return excerpt(part, [Label(moved, label.text, label.primary)], width, paint)


def _mark(line: str, label: Label) -> Mark:
    """Cells of a label; one that goes on below ends with its first line, an empty one is one."""
    span = label.span
    start = _cells_before(line, span.column)
    if span.end_line > span.line:
        end = _cells_before(line, len(line.rstrip()) + 1)
    else:
        end = _cells_before(line, span.end_column)
    return Mark(start, max(end, start + 1), label)


def _cells_before(line: str, column: int) -> int:
    before = line[: column - 1]
    beyond = column - 1 - len(before)
    return sum(cells(shown(c)[0]) * len(shown(c)) for c in before) + min(beyond, 1)


def _window(text: list[tuple[str, int]], mark: Mark, total: int, width: int) -> tuple[str, Mark]:
    """The part of a long line around a mark, with `…` where it was cut, and the mark in it."""
    first = max(0, min(mark.start - width // 3, total - width))
    last = first + width
    row, at = "", 0
    for part, size in text:
        if first <= at and at + size <= last:
            row += part
        elif at < last and at + size > first:
            row += " " * (min(at + size, last) - max(at, first))  # half of a wide character
        at += size
    if first > 0:
        row = "…" + row[1:]
    if at > last:
        row = row[:-1] + "…"
    return row, Mark(mark.start - first, min(mark.end - first, width), mark.label)


def _under(marks: list[Mark], width: int, paint: Paint) -> list[str]:
    """Rows under a line: carets, the last label's text beside them, the others' hanging below."""
    if any(a.end > b.start for a, b in pairwise(marks)):
        return [row for mark in marks for row in _under([mark], width, paint)]
    carets, at = "", 0
    for mark in marks:
        carets += " " * (mark.start - at)
        sign = "^" if mark.label.primary else "-"
        carets += paint(sign * (mark.end - mark.start), mark.style)
        at = mark.end
    hanging = list(marks)
    text = printable(marks[-1].label.text)
    if at + 1 + len(text) <= width:
        carets += " " + paint(text, marks[-1].style) if text else ""
        hanging.pop()
    rows = [carets]
    hanging = [mark for mark in hanging if mark.label.text]
    if len(marks) > 1 and hanging:
        rows.append(_bars(hanging, paint))
    while hanging:
        mark = hanging.pop()
        rows += _hang(mark, hanging, width, paint)
    return rows


def _bars(marks: list[Mark], paint: Paint) -> str:
    row, at = "", 0
    for mark in marks:
        row += " " * (mark.start - at) + paint("|", mark.style)
        at = mark.start + 1
    return row


def _hang(mark: Mark, others: list[Mark], width: int, paint: Paint) -> list[str]:
    """A label's text below its carets, right of the bars of the labels before it."""
    left = others[-1].start + 2 if others else 0
    column = max(left, min(mark.start, width - _LEAST_TEXT))
    text = textwrap.wrap(printable(mark.label.text), max(width - column, 20))
    rows = []
    for line in text:
        bars = _bars(others, paint)
        used = others[-1].start + 1 if others else 0
        rows.append(bars + " " * (column - used) + paint(line, mark.style))
    return rows
