"""Reference outputs of public implementations, and the filling that makes them comparable.

Imports diagnostics and numpy alone: a reference is met by any program, ours is one of them.
`verify`, which is imported by itself, runs our models and needs the compiler and torch.
"""

from stspec.reference.fill import fill_input, fill_state_dict, fill_tensor
from stspec.reference.oracle import Moments, Oracle, load_oracle, oracle_names
from stspec.reference.tables import load_table

__all__ = [
    "Moments",
    "Oracle",
    "fill_input",
    "fill_state_dict",
    "fill_tensor",
    "load_oracle",
    "load_table",
    "oracle_names",
]
