"""What is printed: width, colour, numbers and tables. No rich: plain text is quick."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

NARROW, WIDE = 60, 160
"""Outputs are laid out for at least and at most so many columns."""

RIGHT, LEFT = ">", "<"
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def width() -> int:
    """Return how many columns there are to write on: the terminal's, 80 where there is none."""
    return max(NARROW, min(WIDE, shutil.get_terminal_size((80, 24)).columns))


def has_colour(stream: TextIO) -> bool:
    """Tell whether a stream shows colours; NO_COLOR and FORCE_COLOR decide where they are set."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours text, or leaves it alone."""

    on: bool

    def __call__(self, text: str, *styles: str) -> str:
        """Return the text in the styles given: bold, dim, red, green, yellow, cyan."""
        if not self.on or not styles or not text:
            return text
        return f"\033[{';'.join(_CODES[style] for style in styles)}m{text}\033[0m"


def paint() -> Paint:
    """Return the paint for standard output."""
    return Paint(has_colour(sys.stdout))


def write(text: str) -> None:
    """Print a text that ends with one line break."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def paragraph(text: str, room: int) -> str:
    """Return a text in lines of so many columns, those after the first set in."""
    return textwrap.fill(
        text, room, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def heading(name: str, about: str, room: int, ink: Paint) -> str:
    """Return a name in bold and what is said of it, in lines of so many columns."""
    return paragraph(name + about, room).replace(name, ink(name, "bold"), 1)


def remark(text: str) -> None:
    """Print a remark that is no part of the answer, to standard error."""
    sys.stderr.write(text.rstrip("\n") + "\n")


_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def short(number: float, unit: str = "") -> str:
    """Return a number in three or four digits: 24.37 M, 812 k, 0."""
    for factor, prefix in _PREFIXES:
        if abs(number) >= factor:
            return f"{number / factor:.2f} {prefix}{unit}"
    return f"{number:.0f} {unit}".rstrip()


def size(count: int) -> str:
    """Return a number of bytes as people read it: 1.52 GiB."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.2f} GiB"


def shorten(text: str, room: int) -> str:
    """Return a text that fits into so many columns, cut at a word where it must be cut."""
    if len(text) <= room:
        return text
    if room < 2:
        return text[:room]
    cut = text[: room - 1]
    word = room - 1 if text[room - 1] == " " else cut.rfind(" ")
    return (cut[:word] if word > room // 2 else cut).rstrip(" ,;:") + "…"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. Those that may shrink give way where the table is too wide."""

    title: str
    align: str = LEFT
    shrinks: bool = False


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int, ink: Paint,
    total: Sequence[str] | None = None,
) -> str:  # fmt: skip
    """Return a table: a heading, a rule, the rows, and a total under another rule."""
    every = [*rows, *([total] if total else [])]
    sizes = [
        max([len(column.title), *(len(row[i]) for row in every)])
        for i, column in enumerate(columns)
    ]
    excess = sum(sizes) + 2 * (len(sizes) - 1) - room
    giving = [i for i, column in enumerate(columns) if column.shrinks]
    while excess > 0 and giving and sizes[widest := max(giving, key=sizes.__getitem__)] > 12:
        sizes[widest] -= 1
        excess -= 1

    def line(cells: Sequence[str]) -> str:
        fitted = (
            f"{shorten(cell, n):{column.align}{n}}"
            for cell, n, column in zip(cells, sizes, columns, strict=True)
        )
        return "  ".join(fitted).rstrip()

    rule = ink("─" * min(room, sum(sizes) + 2 * (len(sizes) - 1)), "dim")
    lines = [ink(line([column.title for column in columns]), "bold"), rule, *map(line, rows)]
    if total:
        lines += [rule, ink(line(total), "bold")]
    return "\n".join(lines)
