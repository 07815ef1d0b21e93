"""Which operators read the clip itself, and which read what several pathways give side by side."""

from __future__ import annotations

from collections.abc import Sequence

from stspec.graph import Graph
from stspec.ops.base import Op
from stspec.passes.facts import Facts

Parts = dict[tuple[int, int], int]
"""Where a part begins in a whole, by the channels of the part and those of the whole."""


def stems(facts: Facts) -> frozenset[str]:
    """Return the paths of operators that learn, in front of which nothing else does."""
    found: set[str] = set()
    _stems(facts, facts.graph, (True,), "", found)
    return frozenset(found)


def _stems(
    facts: Facts, graph: Graph, untouched: Sequence[bool], prefix: str, found: set[str]
) -> bool:
    """Note the stems of a graph; return whether what it gives is a sample of the clip still."""
    known = dict(zip(graph.inputs, untouched, strict=True))
    for node in graph.nodes:
        path = prefix + node.name
        arriving = [known[name] for name in node.inputs]
        if isinstance(node.body, Graph):
            known[node.name] = _stems(facts, node.body, arriving, path + ".", found)
            continue
        learns = bool(facts[path].params)
        if learns and all(arriving):
            found.add(path)
        known[node.name] = all(arriving) and not learns
    return known[graph.output]


def parts(facts: Facts) -> Parts:
    """Return where values stand in those that a model's own scope concatenates them to."""
    found: Parts = {}
    for node in facts.graph.nodes:
        if not isinstance(node.body, Op) or node.body.kind != "concat":
            continue
        fact = facts[node.name]
        begin = 0
        for shape in fact.inputs:
            found.setdefault((shape.channels, fact.output.channels), begin)
            begin += shape.channels
    return found
