"""What PyYAML says of a text that is no YAML, said in the words of whoever wrote it."""

from __future__ import annotations

import re
from typing import Any

import yaml

from stspec.diagnostics import Diagnostic, Label, Span

_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_RESERVED = "@`%"
_INDENT_HELP = "keys of one mapping start in the same column"
_SPACES_HELP = "indent with spaces"
_QUOTE_HELP = "put text that holds such characters in quotes"

# (a part of PyYAML's problem, in C's or in Python's words; message; label; help), first match.
_TABLE: tuple[tuple[str, str, str, str | None], ...] = (
    (
        "mapping values are not allowed",
        "there is a second `:` where a value ends",
        "this colon is not expected here",
        "check the indentation, the space after the colon before it, or put the text in quotes",
    ),
    ("could not find expected ':'", "a key without a colon", "expected `:` on this line", None),
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


def explain(error: yaml.MarkedYAMLError, text: str, name: str) -> Diagnostic:
    """The diagnosis of a syntax error, with a second label where the unfinished thing began."""
    lines = _BREAK.split(text)
    at = _span(error.problem_mark or error.context_mark, lines, name)
    problem = error.problem or ""
    if "cannot start any token" in problem:
        return _bad_start(at, lines)
    for part, message, label, help in _TABLE:
        if part in problem:
            break
    else:
        message, label, help = "the text is not valid YAML", "unexpected here", None
    if "flow" in (error.context or "") or "quoted" in (error.context or ""):
        return _unclosed(error, message, label, help, at, lines, name)
    return Diagnostic("bad-yaml", message, (Label(at, label),), help)


def _unclosed(
    error: yaml.MarkedYAMLError,
    message: str,
    label: str,
    help: str | None,
    at: Span,
    lines: list[str],
    name: str,
) -> Diagnostic:
    labels = [Label(at, label)]
    if error.context_mark is not None:
        start = _span(error.context_mark, lines, name)
        if start.start != at.start:
            labels.append(Label(start, "it starts here", primary=False))
    return Diagnostic("bad-yaml", message, tuple(labels), help)


def _bad_start(at: Span, lines: list[str]) -> Diagnostic:
    character = lines[at.line - 1][at.column - 1 : at.column]
    if character == "\t":
        message, label, help = "tabs cannot indent YAML", "a tab", _SPACES_HELP
    else:
        message = f"a value cannot start with `{character}`"
        label, help = "not allowed here without quotes", "put the text in quotes"
    return Diagnostic("bad-yaml", message, (Label(at, label),), help)


def _span(mark: Any, lines: list[str], name: str) -> Span:
    """One character at a mark; at the end of the text, the place after its last character."""
    line, column = mark.line, mark.column
    while line > 0 and (line >= len(lines) or (column == 0 and not lines[line].strip())):
        line -= 1
        column = len(lines[line].rstrip()) if line < len(lines) else 0
    return Span(name, line + 1, column + 1, line + 1, column + 2)
