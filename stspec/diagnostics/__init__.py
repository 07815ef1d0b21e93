"""What the user is told when something is wrong: one value, several renderers.

Imports nothing of stspec and nothing outside the standard library.
Every other package may import it.
"""

from stspec.diagnostics.error import SpecError
from stspec.diagnostics.suggest import did_you_mean, distance, nearest
from stspec.diagnostics.texts import display_path, remember_text
from stspec.diagnostics.values import Diagnostic, Label, Severity, Span

__all__ = [
    "Diagnostic",
    "Label",
    "Severity",
    "Span",
    "SpecError",
    "did_you_mean",
    "display_path",
    "distance",
    "nearest",
    "remember_text",
]
