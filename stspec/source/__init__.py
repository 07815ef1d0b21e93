"""Text becomes a tree: YAML (or Python values) to immutable nodes that know where they stand.

Imports PyYAML and stspec.diagnostics, nothing else of stspec.
"""

from stspec.source.nodes import Mapping, Node, Origin, Plain, Scalar, Sequence, to_plain
from stspec.source.python import from_python
from stspec.source.reader import read_file, read_text, read_value, reading_once

__all__ = [
    "Mapping",
    "Node",
    "Origin",
    "Plain",
    "Scalar",
    "Sequence",
    "from_python",
    "read_file",
    "read_text",
    "read_value",
    "reading_once",
    "to_plain",
]
