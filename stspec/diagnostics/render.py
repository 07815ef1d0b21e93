"""Renderers."""

from __future__ import annotations

from collections.abc import Sequence

from stspec.diagnostics.values import Diagnostic


def render_terminal(
    diagnostics: Sequence[Diagnostic], *, color: bool = False, width: int = 80
) -> str:
    """Plain rendering."""
    out = []
    for d in diagnostics:
        out.append(f"{d.severity}[{d.code}]: {d.message}")
        out += [f"  --> {label.span}: {label.text}" for label in d.labels]
        if d.help:
            out.append(f"  = help: {d.help}")
    return "\n".join(out)
