"""Diagnostics for a terminal, for programs (JSON) and for annotations on GitHub."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable
from functools import cache

from stspec.diagnostics.cells import printable
from stspec.diagnostics.excerpt import Paint, excerpt
from stspec.diagnostics.texts import source_lines
from stspec.diagnostics.values import Diagnostic, Label

LinesOf = Callable[[str], list[str] | None]

_RESET = "\x1b[0m"
_BLUE, _CYAN, _BOLD = "\x1b[1;34m", "\x1b[1;36m", "\x1b[1m"
_SEVERITY = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "note": "\x1b[1;36m"}
_GITHUB = {"error": "error", "warning": "warning", "note": "notice"}


def render_terminal(
    diagnostics: Iterable[Diagnostic], *, color: bool = False, width: int = 80
) -> str:
    """Text for people: a headline, the lines of source with carets under every label, help.

    Source is read again from the files; where that fails a label is told by its position alone.
    What the text holds is made safe to print; lines are at most `width` cells wide (at least
    40), but for paths and words that are longer.
    """
    width = max(width, 40)
    lines_of = cache(source_lines)
    return "\n\n".join("\n".join(_one(d, lines_of, color, width)) for d in diagnostics)


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """A JSON list of objects with `code`, `severity`, `message`, `labels` and `help`.

    A label has `file`, `line`, `column`, `end_line`, `end_column` (from 1, the end exclusive),
    `text` and `primary`.
    """
    return json.dumps([_as_dict(diagnostic) for diagnostic in diagnostics], indent=2)


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    """One workflow command a line, each an annotation at its first primary label."""
    return "\n".join(_command(diagnostic) for diagnostic in diagnostics)


def _painter(diagnostic: Diagnostic, color: bool) -> Paint:
    codes = {
        "primary": _SEVERITY[diagnostic.severity],
        "secondary": _BLUE,
        "gutter": _BLUE,
        "help": _CYAN,
        "bold": _BOLD,
    }

    def paint(text: str, style: str) -> str:
        return f"{codes[style]}{text}{_RESET}" if color and text.strip() else text

    return paint


def _one(diagnostic: Diagnostic, lines_of: LinesOf, color: bool, width: int) -> list[str]:
    paint = _painter(diagnostic, color)
    rows = _headline(diagnostic, paint, width)
    digits = max((len(str(label.span.line)) for label in diagnostic.labels), default=1)
    for i, labels in enumerate(_by_file(diagnostic.labels)):
        if i > 0:
            rows.append(" " * (digits + 1) + paint("|", "gutter"))
        rows += _file(labels, lines_of(labels[0].span.file), digits, width, paint, first=i == 0)
    if diagnostic.help:
        if diagnostic.labels and rows[-1].strip() != paint("|", "gutter"):
            rows.append(" " * (digits + 1) + paint("|", "gutter"))
        lead = " " * (digits + 1) + "= help: "
        text = textwrap.wrap(
            printable(diagnostic.help),
            width - len(lead),
            break_long_words=False,
            break_on_hyphens=False,
        )
        painted = " " * (digits + 1) + paint("=", "gutter") + " " + paint("help:", "help") + " "
        rows += [(painted if i == 0 else " " * len(lead)) + line for i, line in enumerate(text)]
    return rows


def _headline(diagnostic: Diagnostic, paint: Paint, width: int) -> list[str]:
    tag = f"{diagnostic.severity}[{diagnostic.code}]"
    rows = textwrap.wrap(
        f"{tag}: {printable(diagnostic.message)}",
        width,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    rest = rows[0].removeprefix(tag)
    return [paint(tag, "primary") + paint(rest, "bold"), *(paint(row, "bold") for row in rows[1:])]


def _by_file(labels: tuple[Label, ...]) -> list[list[Label]]:
    """Labels of each file together, that of the first primary label first."""
    files: dict[str, list[Label]] = {}
    for label in sorted(labels, key=lambda label: not label.primary):
        files.setdefault(label.span.file, []).append(label)
    return list(files.values())


def _file(
    labels: list[Label],
    lines: list[str] | None,
    digits: int,
    width: int,
    paint: Paint,
    *,
    first: bool,
) -> list[str]:
    span = labels[0].span
    position = printable(str(span))
    arrow = paint("-->" if first else ":::", "gutter")
    shown = [lb for lb in labels if lines and lb.span.line <= len(lines) and lb.span.column > 0]
    indent = " " * digits
    if lines is None or not shown:
        return [
            f"{indent}{arrow} {printable(str(lb.span))}: {printable(lb.text)}".rstrip(": ")
            for lb in labels
        ]
    bar = paint("|", "gutter")
    rows = [f"{indent}{arrow} {position}", f"{indent} {bar}"]
    before = 0
    for number in sorted({label.span.line for label in shown}):
        if before and number == before + 2:
            rows += _lines(lines[before], [], before + 1, digits, width, paint)
        elif before and number > before + 2:
            rows.append(paint("...", "gutter"))
        here = [label for label in shown if label.span.line == number]
        rows += _lines(lines[number - 1], here, number, digits, width, paint)
        before = number
    return rows


def _lines(
    line: str, labels: list[Label], number: int, digits: int, width: int, paint: Paint
) -> list[str]:
    """A numbered line and the rows under it."""
    room = width - digits - 3
    numbered = paint(f"{number:>{digits}} |", "gutter")
    blank = " " * digits + " " + paint("|", "gutter")
    rows = []
    for source, *under in excerpt(line, labels, room, paint):
        rows.append(f"{numbered} {source}".rstrip())
        rows += [f"{blank} {row}".rstrip() for row in under]
    return rows


def _as_dict(diagnostic: Diagnostic) -> dict[str, object]:
    labels = [
        {
            "file": label.span.file,
            "line": label.span.line,
            "column": label.span.column,
            "end_line": label.span.end_line,
            "end_column": label.span.end_column,
            "text": label.text,
            "primary": label.primary,
        }
        for label in diagnostic.labels
    ]
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "labels": labels,
        "help": diagnostic.help,
    }


def _command(diagnostic: Diagnostic) -> str:
    properties = {"title": diagnostic.code}
    body = [diagnostic.message]
    primary = sorted(diagnostic.labels, key=lambda label: not label.primary)
    if primary and not primary[0].span.file.startswith("<"):
        span = primary[0].span
        where = {"file": span.file, "line": str(span.line), "endLine": str(span.end_line)}
        if span.line == span.end_line:  # GitHub takes columns on one line only
            where |= {"col": str(span.column), "endColumn": str(span.end_column)}
        properties = where | properties
    body += [f"{label.span}: {label.text}" for label in primary if label.text]
    if diagnostic.help:
        body.append(f"help: {diagnostic.help}")
    pairs = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    text = _data("\n".join(printable(line) for line in body))
    return f"::{_GITHUB[diagnostic.severity]} {pairs}::{text}"


def _data(text: str) -> str:
    """Escaped as the runner reads it, so that no text can be another command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")
