"""The error that carries diagnostics to whoever asked."""

from __future__ import annotations

from collections.abc import Iterable

from stspec.diagnostics.values import Diagnostic


class SpecError(Exception):
    """A mistake of the user's, told by one or more diagnostics; str() renders them plainly."""

    diagnostics: tuple[Diagnostic, ...]

    def __init__(self, *diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        found: list[Diagnostic] = []
        for given in diagnostics:
            found.extend((given,) if isinstance(given, Diagnostic) else given)
        assert found, "a SpecError needs a diagnostic"
        self.diagnostics = tuple(found)
        super().__init__(*self.diagnostics)

    def __str__(self) -> str:
        from stspec.diagnostics.render import render_terminal

        return render_terminal(self.diagnostics)
