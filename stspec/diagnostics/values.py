"""The values: a span of text, a label on it, and a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text in a file; lines and columns count characters from 1.

    `file` is the path as the user gave it (or relative to the working directory where that is
    shorter), or a name in angle brackets (`<--set>`, `<python>`) for text that is in no file.
    The end is exclusive: `end_column` is the column after the last character.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def start(self) -> tuple[int, int]:
        """(line, column) of the first character."""
        return self.line, self.column

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Label:
    """A remark at a span; the primary ones say what is wrong, the others why."""

    span: Span
    text: str
    primary: bool = True


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing the user should know.

    `code` is stable kebab-case (`unknown-key`); `message` a lower-case sentence without a full
    stop; `help` says what to do about it.
    """

    code: str
    message: str
    labels: tuple[Label, ...] = ()
    help: str | None = None
    severity: Severity = "error"

    @property
    def position(self) -> tuple[str, int, int]:
        """(file, line, column) of the first primary label, for sorting; empty without labels."""
        for label in sorted(self.labels, key=lambda label: not label.primary):
            return label.span.file, label.span.line, label.span.column
        return "", 0, 0
