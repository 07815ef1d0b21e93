"""What differs between two networks, and what follows from it.

Canonical graphs are matched and compared into typed edits; these are told in groups, behind the
policy in the field's words and in front of the costs. Imports network, graph, ops and analysis.
"""

from stspec.diff.edits import (
    Change,
    Edit,
    Insert,
    Place,
    Ports,
    Recast,
    Remove,
    Rename,
    Rewire,
)
from stspec.diff.model import Diff, Side, diff
from stspec.diff.patch import PatchError

__all__ = [
    "Change",
    "Diff",
    "Edit",
    "Insert",
    "PatchError",
    "Place",
    "Ports",
    "Recast",
    "Remove",
    "Rename",
    "Rewire",
    "Side",
    "diff",
]
