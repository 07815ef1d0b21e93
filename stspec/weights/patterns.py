"""Patterns of state-dict keys, and templates that write one key from the pieces of another.

A pattern is a key with captures in braces:

- ``{name}`` takes one or more characters of a segment (segments are parted by dots);
- ``{name...}.`` takes whole segments, none included; at the end of a pattern ``.{name...}``
  takes one or more;
- a capture that a table is given for takes exactly the table's entries, dots included.

A template is written the same way and puts the captured pieces, translated by their tables, back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

_CAPTURE = re.compile(r"\{([a-z_]+)(\.\.\.)?\}(\.)?")

Tables = Mapping[str, Mapping[str, str]]
NO_TABLES: Tables = {}


class PatternError(ValueError):
    """A pattern or template that breaks the rules above; the message says which."""


@dataclass(frozen=True)
class Pattern:
    """A pattern of whole keys; `tables` restricts captures to its entries."""

    text: str
    tables: Tables

    def __post_init__(self) -> None:
        _ = self._regex  # a bad pattern is refused where it is made

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the captures, in order."""
        return tuple(name for name, _ in captures(self.text))

    def match(self, key: str) -> dict[str, str] | None:
        """Return the captured pieces of a key, or None where the pattern does not fit it.

        The piece of a ``{name...}`` capture ends in a dot where it stands before another
        segment, so that it may be empty.
        """
        found = self._regex.fullmatch(key)
        return None if found is None else found.groupdict()

    def fits(self, key: str) -> bool:
        """Tell whether the pattern fits a key."""
        return self._regex.fullmatch(key) is not None

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        parts: list[str] = []
        at = 0
        for found in _CAPTURE.finditer(self.text):
            parts.append(_literal(self.text[at : found.start()]))
            parts.append(self._group(found))
            at = found.end()
        parts.append(_literal(self.text[at:]))
        names = [name for name, _ in captures(self.text)]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise PatternError(f"`{{{min(repeated)}}}` is captured twice in `{self.text}`")
        return re.compile("".join(parts))

    def _group(self, found: re.Match[str]) -> str:
        name, many, dot = found.groups()
        if table := self.tables.get(name):
            # Longer entries first, so that `3x3_reduce` is not taken for `3x3`.
            entries = sorted(table, key=len, reverse=True)
            body = "|".join(re.escape(entry) for entry in entries)
            return f"(?P<{name}>{body})" + ("\\." if dot else "")
        if many and dot:
            return rf"(?P<{name}>(?:[^.]+\.)*)"
        if many:
            return rf"(?P<{name}>.+)"
        return rf"(?P<{name}>[^.]+?)" + ("\\." if dot else "")


@dataclass(frozen=True)
class Template:
    """A key to be written from the pieces that a pattern captured."""

    text: str

    def __post_init__(self) -> None:
        _literal(_CAPTURE.sub("", self.text))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the pieces that are put in."""
        return tuple(name for name, _ in captures(self.text))

    def write(self, pieces: Mapping[str, str], tables: Tables = NO_TABLES) -> str:
        """Return the key that the pieces, translated by their tables, make."""

        def piece(found: re.Match[str]) -> str:
            name, many, dot = found.groups()
            text = pieces[name]
            text = tables[name][text] if name in tables else text
            return text if many and dot else text + (dot or "")

        return _CAPTURE.sub(piece, self.text)


def captures(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the name of each capture of a pattern or template, and whether it spans segments."""
    for found in _CAPTURE.finditer(text):
        yield found[1], bool(found[2])


def any_match(patterns: Iterable[Pattern], keys: Iterable[str]) -> int:
    """Return how many of the patterns fit at least one of the keys."""
    keys = tuple(keys)
    return sum(any(map(pattern.fits, keys)) for pattern in patterns)


def _literal(text: str) -> str:
    if "{" in text or "}" in text:
        raise PatternError("a capture is written `{name}` or `{name...}`, in small letters")
    return re.escape(text)
