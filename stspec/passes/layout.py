"""How every graph runs: on folded frames (N*T, C, H, W) or on clips (N, C, T, H, W).

The choice changes no key, no shape and no value: in channels-last memory the two are views of
each other. A graph that owns an operator of clips runs on clips throughout, else on frames.
"""

from __future__ import annotations

from stspec.graph import Graph
from stspec.ops.base import Layout, Op


def layout_of(body: Op | Graph, default: Layout = "frames") -> Layout:
    """Return the layout that a node's body takes and gives."""
    return preference(body) or default


def preference(body: Op | Graph) -> Layout | None:
    """Return the layout that a body asks for, or None where either will do."""
    if isinstance(body, Op):
        return body.layout
    asked = {preference(node.body) for node in body.nodes} - {None}
    if "clip" in asked:
        return "clip"
    return "frames" if asked else None
