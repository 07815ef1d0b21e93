"""The canonical form of a graph: what it computes, free of how it is written or run.

Two graphs of one canonical form give the same values for the same weights. A convolution or
pooling that looks at single frames is the 2D one, whatever the rank of its weight; fields that
follow from others (padding, width) are spelt out; tags, fields of blocks and layouts are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from stspec.graph import Graph, Node
from stspec.ops.base import Op, Reach
from stspec.ops.conv import Conv2d, Conv3d
from stspec.ops.pool import AvgPool2d, AvgPool3d, MaxPool2d, MaxPool3d, Pool2d, Pool3d, TemporalPool

STILL = Reach()
"""What an operator of single frames says of time."""

_FLAT: dict[type[Op], type[Op]] = {
    Conv3d: Conv2d,
    MaxPool3d: MaxPool2d,
    AvgPool3d: AvgPool2d,
}


def canonical(graph: Graph, channels: Sequence[int]) -> Graph:
    """Return the canonical form of a graph; that of a canonical graph is the graph itself.

    Args:
        graph: a graph as policies leave it.
        channels: channels of each of the graph's inputs.
    """
    return _graph(graph, channels)[0]


def _graph(graph: Graph, channels: Sequence[int]) -> tuple[Graph, int]:
    known = dict(zip(graph.inputs, channels, strict=True))
    nodes: list[Node] = []
    for node in graph.nodes:
        arriving = tuple(known[name] for name in node.inputs)
        body, known[node.name] = _body(node.body, arriving)
        nodes.append(Node(node.name, body, node.inputs))
    return Graph(graph.kind, tuple(nodes), graph.output, graph.inputs), known[graph.output]


def _body(body: Op | Graph, channels: tuple[int, ...]) -> tuple[Op | Graph, int]:
    if isinstance(body, Graph):
        return _graph(body, channels)
    return canonical_op(body, channels), body.channels(channels)


@lru_cache(maxsize=4096)
def canonical_op(op: Op, channels: tuple[int, ...]) -> Op:
    """Return an operator with derived fields spelt out, flat where it looks at single frames."""
    fields: dict[str, Any] = dict(op)
    target = type(op)
    if isinstance(op, Conv2d):
        fields |= _conv_fields(op, channels[0])
    if isinstance(op, Pool2d):
        fields |= _paddings(op, 0)
    if isinstance(op, TemporalPool):
        fields["padding"] = op.pad
    if target in _FLAT and op.window().time == STILL:
        target = _FLAT[target]
        fields = {name: value for name, value in fields.items() if name in target.model_fields}
    return target(**fields)


def _conv_fields(op: Conv2d, channels: int) -> dict[str, Any]:
    fields: dict[str, Any] = {"width": op.channels((channels,)), **_paddings(op, None)}
    height, width = op.sides
    if height == width:
        fields["kernel_w"] = None
    elif op.padding is None:
        fields["padding"] = None  # it differs between height and width
    groups = op.group_count(channels)
    fields["groups"] = "depthwise" if groups == channels > 1 else groups
    return fields


def _paddings(op: Conv2d | Pool2d, nothing: int | None) -> dict[str, Any]:
    """Return the paddings as numbers, or `same`, beside which time says `nothing` of its own."""
    by_size = "same" in (op.space.padding, op.time.padding)
    paddings: dict[str, Any] = {"padding": "same" if by_size else op.space.padding}
    if isinstance(op, Conv3d | Pool3d):
        paddings["padding_t"] = nothing if by_size else op.time.padding
    return paddings
