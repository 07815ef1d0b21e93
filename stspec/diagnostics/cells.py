"""How wide text is in a terminal, and how to make any text safe to print there."""

from __future__ import annotations

import unicodedata

TAB = "    "
_LONGEST = 500
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def cells(character: str) -> int:
    """Terminal cells that a character of shown text takes: 0 for combining marks, 2 for wide."""
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def width_of(text: str) -> int:
    """Terminal cells that a shown text takes."""
    return len(text) if text.isascii() else sum(map(cells, text))


def shown(character: str) -> str:
    """What is printed for a character: nothing may move the cursor, colour or reorder text."""
    if " " <= character <= "~":
        return character
    if character == "\t":
        return TAB
    if character < " ":
        return chr(0x2400 + ord(character))  # the picture of a control character
    return "\ufffd" if unicodedata.category(character) in _UNSAFE else character


def printable(text: str) -> str:
    """The text on one line, with nothing in it that a terminal would act on, cut where long."""
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if c in "\n\t\r" else shown(c) for c in text)
