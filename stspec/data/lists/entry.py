"""What a list says of one sample, and mistakes in lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stspec.diagnostics import Diagnostic, Label, Span, SpecError, display_path

MOST_TOLD = 12
"""Mistakes of one kind that are shown; their number is told besides."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list."""

    path: str
    labels: tuple[str, ...] = ()
    """Numbers or names of classes, as written."""
    frames: int | None = None
    first: int | None = None
    """Number of the first frame, as written: files count from 0 or 1."""
    last: int | None = None
    """Number of the last frame, as written, itself included."""
    offset: int | None = None
    """Frames before the first one: counted from 0 whatever files are called."""
    rate: float | None = None
    id: str = ""
    line: int = 0
    choices: tuple[str, ...] = ()
    """Other places where the file may lie."""


@dataclass(slots=True)
class Parsed:
    """A list that was read."""

    entries: list[Entry]
    form: str
    notes: list[str] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    """Class names that the list brings along."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text file, without its end."""

    number: int
    text: str


def read_text(path: Path) -> str:
    """Return the text of a list.

    Raises:
        SpecError: if it cannot be read or is no text.
    """
    shown = display_path(path)
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        message = f"{shown} is no text in UTF-8 (line {line})"
        help = "name a list of samples, or a folder that holds one"
        raise SpecError(Diagnostic("bad-list", message, help=help)) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        help = "name a list of samples, or a folder that holds one"
        raise SpecError(
            Diagnostic("no-list", f"cannot read {shown}: {reason}", help=help)
        ) from error
    if "\0" in text:
        raise SpecError(Diagnostic("bad-list", f"{shown} is no text", help="name a list"))
    return text


def read_lines(path: Path) -> list[Line]:
    """Return the lines of a list that say something.

    Raises:
        SpecError: if it cannot be read, is no text, or is empty.
    """
    numbered = enumerate(read_text(path).splitlines(), 1)
    lines = [Line(number, text.strip("\r\n")) for number, text in numbered if text.strip()]
    if not lines:
        raise SpecError(
            Diagnostic(
                "empty-list", f"{display_path(path)} lists nothing", help="one sample a line"
            )
        )
    return lines


def span(path: Path, line: Line) -> Span:
    """Return where a line stands."""
    return Span(display_path(path), line.number, 1, line.number, max(len(line.text), 1) + 1)


def wrong_lines(path: Path, wrong: Sequence[tuple[Line, str]], help: str) -> SpecError:
    """Return the error that tells of lines that cannot be understood."""
    told = [
        Diagnostic(
            "bad-line", f"line {line.number} of {display_path(path)}: {what}",
            (Label(span(path, line), what),), help if not i else None,
        )
        for i, (line, what) in enumerate(wrong[:MOST_TOLD])
    ]  # fmt: skip
    if len(wrong) > MOST_TOLD:
        more = len(wrong) - MOST_TOLD
        told.append(Diagnostic("bad-line", f"and {more} more lines of {display_path(path)}"))
    return SpecError(told)
