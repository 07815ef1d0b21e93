"""Reference outputs of public implementations, and the filling that makes them comparable.

Imports diagnostics and numpy alone: a reference is met by any program, ours is one of them.
`verify` and `recording`, which are imported when they are asked for, need torch.
"""

from typing import TYPE_CHECKING, Any

from stspec.reference.fill import fill_input, fill_state_dict, fill_tensor
from stspec.reference.oracle import Moments, Oracle, load_oracle, oracle_names
from stspec.reference.tables import load_table

if TYPE_CHECKING:
    from stspec.reference.recording import record, save_oracle

__all__ = [
    "Moments",
    "Oracle",
    "fill_input",
    "fill_state_dict",
    "fill_tensor",
    "load_oracle",
    "load_table",
    "oracle_names",
    "record",
    "save_oracle",
]


def __getattr__(name: str) -> Any:
    if name in ("record", "save_oracle"):
        from stspec.reference import recording

        return getattr(recording, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
