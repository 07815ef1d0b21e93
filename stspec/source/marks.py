"""Where PyYAML's marks (lines and columns from 0) stand in the text that the user knows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stspec.diagnostics import Span

# What YAML counts as the end of a line (str.splitlines would count more).
BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Place:
    """The text `file`, of which the part that was parsed starts at `line`, `column`."""

    file: str
    line: int = 1
    column: int = 1

    def span(self, line: int, column: int, end_line: int, end_column: int) -> Span:
        """The span of marks that count from 0 at the start of the part."""
        first, last = self._column(line, column), self._column(end_line, end_column)
        return Span(self.file, line + self.line, first, end_line + self.line, last)

    def _column(self, line: int, column: int) -> int:
        return column + (self.column if line == 0 else 1)
