"""Columns of text: cells are wrapped, padded and coloured."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

Tone = Literal["", "bold", "dim", "red", "green", "yellow", "cyan"]

_CODES: dict[str, str] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}
_PLAIN = str.maketrans({"─": "-", "→": ">", "\N{EN DASH}": "-", "·": "|", "…": "~"})


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with its tone; ``right`` aligns it there."""

    text: str
    tone: Tone = ""
    right: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """How wide the terminal is, and what it can show."""

    width: int = 80
    color: bool = False
    unicode: bool = True

    def paint(self, text: str, tone: Tone) -> str:
        """Return a text in a tone, where the terminal has colours."""
        if not self.color or not tone or not text.strip():
            return text
        return f"\x1b[{_CODES[tone]}m{text}\x1b[0m"

    def plain(self, line: str) -> str:
        """Return a line without trailing blanks, in ASCII where nothing else can be shown."""
        line = line.rstrip()
        return line if self.unicode else line.translate(_PLAIN)

    def rule(self) -> str:
        """Return a thin line across the page."""
        return self.paint("─" * self.width, "dim")

    def row(self, cells: Sequence[Cell], widths: Sequence[int], gap: int = 2) -> Iterator[str]:
        """Yield the lines of one row; texts longer than their column are wrapped.

        The first column is the sign's: one blank divides it from the others, two divide those.
        """
        columns = [wrap(cell.text, width) for cell, width in zip(cells, widths, strict=True)]
        for parts in zip_longest(*columns, fillvalue=""):
            texts = [
                self.paint(_pad(part, width, cell.right), cell.tone)
                for part, width, cell in zip(parts, widths, cells, strict=True)
            ]
            yield f"{texts[0]} " + (" " * gap).join(texts[1:])


def wrap(text: str, width: int) -> list[str]:
    """Return a text in lines of at most a width; names that are longer break behind _ or a dot."""
    if len(text) <= width:
        return [text]
    words = (_broken(word, width) for word in text.split(" "))
    broken = " ".join(words)
    return textwrap.wrap(broken, width, break_long_words=True, break_on_hyphens=False) or [""]


def _broken(word: str, width: int) -> str:
    if len(word) <= width:
        return word
    at = 1 + max(word.rfind(mark, 0, width) for mark in "_.")
    return f"{word[:at]} {_broken(word[at:], width)}" if at else word


def _pad(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def fit(wanted: Sequence[int], room: int) -> list[int]:
    """Return widths of columns: as wide as wanted where there is room, else shared fairly."""
    widths = [0] * len(wanted)
    left, open_ = room, list(range(len(wanted)))
    while open_:
        share = left // len(open_)
        small = [i for i in open_ if wanted[i] <= share]
        if not small:
            for i in open_:
                widths[i] = share
            break
        for i in small:
            widths[i] = wanted[i]
            left -= wanted[i]
            open_.remove(i)
    return widths
