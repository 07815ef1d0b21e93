"""A spec becomes a graph: the backbone is built, then the policy's rules rewrite it.

Imports schema, blocks, graph and ops.
"""

from stspec.ir.build import build

__all__ = ["build"]
