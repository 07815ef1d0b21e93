"""Frames that arrive at a site, for kernels that span them all."""

from __future__ import annotations

from collections.abc import Sequence

from stspec.graph import Graph
from stspec.ops.base import Op, Shape, ShapeError


def frames_at(graph: Graph, inputs: Sequence[Shape], path: str) -> int | None:
    """Return the frames of what a node reads; None where shapes do not get that far.

    Args:
        graph: the graph as rules have left it so far.
        inputs: shapes of the graph's inputs.
        path: the node.
    """
    head, _, rest = path.partition(".")
    known = dict(zip(graph.inputs, inputs, strict=True))
    try:
        for node in graph.nodes:
            arriving = [known[name] for name in node.inputs]
            if node.name == head and isinstance(node.body, Graph) and rest:
                return frames_at(node.body, arriving, rest)
            if node.name == head:
                return arriving[0].frames
            known[node.name] = _shape(node.body, arriving)
    except ShapeError:
        # The pass that works out all shapes tells what is wrong, and where.
        return None
    raise KeyError(path)


def _shape(body: Op | Graph, inputs: Sequence[Shape]) -> Shape:
    if isinstance(body, Op):
        return body.infer(inputs)
    known = dict(zip(body.inputs, inputs, strict=True))
    for node in body.nodes:
        known[node.name] = _shape(node.body, [known[name] for name in node.inputs])
    return known[body.output]
