"""Trees become one spec: extends, references, variants and overrides are resolved.

Imports stspec.source and stspec.diagnostics, nothing else of stspec.
"""

from stspec.compose.locate import data_root, find, index, locate_model, names
from stspec.compose.resolve import Composed, resolve
from stspec.compose.version import LANGUAGE

__all__ = [
    "LANGUAGE",
    "Composed",
    "data_root",
    "find",
    "index",
    "locate_model",
    "names",
    "resolve",
]
