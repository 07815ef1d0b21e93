"""Receptive fields: how much of the clip a value depends on, in time and in space.

Sizes are in frames and pixels of the input and may exceed the clip: what lies beyond its edge is
padding. Where values meet, the largest field counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stspec.graph import Graph, Node
from stspec.ops.base import Op, Reach
from stspec.ops.gate import Resize
from stspec.ops.sample import FrameRepeat
from stspec.passes.facts import Facts


@dataclass(frozen=True, slots=True)
class Extent:
    """One axis of a receptive field: its size, None for the whole axis, and the step between
    neighbouring outputs."""

    size: int | None = 1
    stride: int = 1

    def through(self, reach: Reach, whole: bool) -> Extent:
        """Return the extent behind an operator."""
        grown = None if self.size is None else self.size + (reach.kernel - 1) * self.stride
        return Extent(None if whole else grown, self.stride * reach.stride)

    def join(self, other: Extent) -> Extent:
        """Return the larger of two extents that meet, at the positions of the first."""
        if self.size is None or other.size is None:
            return Extent(None, self.stride)
        return Extent(max(self.size, other.size), self.stride)


@dataclass(frozen=True, slots=True)
class Field:
    """A receptive field in time (frames) and in space (pixels)."""

    time: Extent = Extent()
    space: Extent = Extent()

    def join(self, other: Field) -> Field:
        """Return the larger of two fields that meet."""
        return Field(self.time.join(other.time), self.space.join(other.space))


def reach(graph: Graph) -> dict[str, Field]:
    """Return the receptive field of every node's value by path."""
    fields: dict[str, Field] = {}
    _scope(graph, tuple(Field() for _ in graph.inputs), "", fields)
    return fields


def trunk_reach(facts: Facts) -> Field:
    """Return the receptive field at the end of the trunk: its last value that has T, H and W.

    The head behind it looks at the whole clip in every model; what it sees is this field. Pathways
    beside the trunk count with it: the largest field, at the trunk's steps. A model that is fed
    features has the field of its scores.
    """
    fields = reach(facts.graph)
    ends: dict[str | None, str] = {}
    for fact in facts.operators():
        tags = facts[fact.path.partition(".")[0]].node.tags
        if fact.output.is_trunk and not tags.head:
            ends[tags.pathway] = fact.path
    if not ends:
        return fields[facts.graph.output]
    found = fields[ends.pop(None, "") or ends.popitem()[1]]
    for path in ends.values():
        found = found.join(fields[path])
    return found


def _scope(graph: Graph, inputs: Sequence[Field], prefix: str, fields: dict[str, Field]) -> Field:
    known = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        arriving = [known[name] for name in node.inputs]
        known[node.name] = _node(node, arriving, prefix + node.name, fields)
        fields[prefix + node.name] = known[node.name]
    return known[graph.output]


def _node(node: Node, inputs: Sequence[Field], path: str, fields: dict[str, Field]) -> Field:
    if isinstance(node.body, Graph):
        return _scope(node.body, inputs, path + ".", fields)
    if isinstance(node.body, Resize):
        return _resized(*inputs)
    joined = inputs[0]
    for other in inputs[1:]:
        joined = joined.join(other)
    return through(joined, node.body)


def _resized(x: Field, like: Field) -> Field:
    """Return the field of a value at another's positions: its size, the other's step in space."""
    return Field(x.time, Extent(x.space.size, like.space.stride))


def through(field: Field, op: Op) -> Field:
    """Return the field behind an operator."""
    if isinstance(op, FrameRepeat):
        return replace(field, time=Extent(field.time.size, max(1, field.time.stride // op.times)))
    window = op.window()
    return Field(
        field.time.through(window.time, window.global_time),
        field.space.through(window.space, window.global_space),
    )
