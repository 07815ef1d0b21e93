"""The public functions: each takes a compiled network, or whatever `load` takes.

Imports all of stspec but the command line; torch where it is needed, within `videos`, `tested` and
`speed` alone, which are loaded when they are first asked for.
"""

from stspec.api.networks import build, cost, diff, emit, load_weights, transplant_weights

__all__ = ["build", "cost", "diff", "emit", "load_weights", "transplant_weights"]
