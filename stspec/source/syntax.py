"""What PyYAML says of a text that is no YAML, said in the words of whoever wrote it."""

from __future__ import annotations

from typing import Any

import yaml

from stspec.diagnostics import Diagnostic, Label, Span
from stspec.source.marks import BREAK, Place

_INDENT_HELP = "keys of one mapping start in the same column"
_QUOTE_HELP = "put text that holds such characters in quotes"

# (a part of PyYAML's problem, in C's or in Python's words; message; label; help), first match.
_TABLE: tuple[tuple[str, str, str, str | None], ...] = (
    (
        "end of stream",
        "this text has no closing quote",
        "expected a closing quote before the end of the file",
        None,
    ),
    ("',' or ']'", "this list is not closed", "expected `,` or `]`", None),
    ("',' or '}'", "this mapping is not closed", "expected `,` or `}`", None),
    ("unknown escape character", "this escape is unknown", "not known after a backslash",
     "write `\\\\` for a backslash, or use single quotes"),
    ("escape", "this escape is not valid", "not a character", None),
    ("'-' indicator", "a list goes on with something that is no item", "expected `- ` here",
     "items of one list start in the same column"),
    ("sequence entries are not allowed", "a list cannot start on the line of its key",
     "not expected here", "start the list on a line of its own, or write `[a, b]`"),
    ("node content", "a value is missing", "expected a value before this", None),
    ("document start", "something follows after the end of the spec", "not expected here", None),
    ("did not find expected key", "this line does not fit into the mapping above",
     "expected a key in the column of the others", _INDENT_HELP),
    ("expected <block end>", "this line does not fit into the mapping above",
     "expected a key in the column of the others", _INDENT_HELP),
    ("indentation", "the indentation is broken", "not expected here", _INDENT_HELP),
    ("alphabetic or numeric", "anchors and aliases are not part of the language",
     "remove this", _QUOTE_HELP),
)  # fmt: skip


# The same problems, where something else stands before on the line.
_MISPLACED = ("did not find expected key", "expected <block end>", "'-' indicator")
_TRAILING = (
    "something follows after the end of a value",
    "expected the end of the line",
    "a quote inside single quotes is written twice: 'it''s'",
)


_IN_TEXT = (
    "a value holds a colon with a space after it",
    "not allowed without quotes",
    "put the text in quotes",
)
_MISFIT = (
    "this key does not fit to the line above it",
    "no key is expected here",
    "keys of one mapping start in the same column; a colon is followed by a space",
)


def explain(error: yaml.MarkedYAMLError, text: str, place: Place) -> Diagnostic:
    """The diagnosis of a syntax error, with a second label where the unfinished thing began."""
    lines = BREAK.split(text)
    problem, context = error.problem or "", error.context or ""
    if error.context_mark is not None and "could not find expected ':'" in problem:
        return _no_colon(error.context_mark, lines, place)
    line, column = _position(error.problem_mark or error.context_mark, lines)
    if "cannot start any token" in problem:
        message, label, help = _bad_start(lines[line][column : column + 1])
    elif "mapping values are not allowed" in problem:
        message, label, help = _IN_TEXT if ": " in lines[line][:column] else _MISFIT
    elif any(part in problem for part in _MISPLACED) and lines[line][:column].strip():
        message, label, help = _TRAILING
    else:
        message, label, help = _in_words(problem)
    at = place.span(line, column, line, column + 1)
    labels = [Label(at, label)]
    if error.context_mark is not None and ("flow" in context or "quoted" in context):
        start = _start_of(error.context_mark, lines, place)
        if start.start != at.start:
            labels.append(Label(start, "it starts here", primary=False))
    return Diagnostic("bad-yaml", message, tuple(labels), help)


def _no_colon(mark: Any, lines: list[str], place: Place) -> Diagnostic:
    line, column = _position(mark, lines)
    end = max(len(lines[line].rstrip()), column + 1)
    label = Label(place.span(line, column, line, end), "expected a colon and a value after this")
    return Diagnostic("bad-yaml", "a key has no colon", (label,))


def _in_words(problem: str) -> tuple[str, str, str | None]:
    for part, message, label, help in _TABLE:
        if part in problem:
            return message, label, help
    return "the text is not valid YAML", "unexpected here", None


def _bad_start(character: str) -> tuple[str, str, str | None]:
    if character == "\t":
        return "tabs cannot indent YAML", "a tab", "indent with spaces"
    message = f"a value cannot start with `{character}`"
    return message, "not allowed here without quotes", "put the text in quotes"


def _start_of(mark: Any, lines: list[str], place: Place) -> Span:
    line, column = _position(mark, lines)
    return place.span(line, column, line, column + 1)


def _position(mark: Any, lines: list[str]) -> tuple[int, int]:
    """(line, column) from 0; for the end of the text, the place after its last character."""
    line, column = mark.line, mark.column
    while line > 0 and (line >= len(lines) or (column == 0 and not lines[line].strip())):
        line -= 1
        column = len(lines[line].rstrip())
    return line, column
