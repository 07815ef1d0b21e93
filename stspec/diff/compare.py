"""From two canonical graphs to the edits between them."""

from __future__ import annotations

from collections.abc import Iterator

from stspec.diff.align import Pair, align
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
    ordered,
)
from stspec.graph import Graph, Node
from stspec.ops.base import Op


def compare(a: Graph, b: Graph) -> tuple[Edit, ...]:
    """Return the edits that turn one canonical graph into the other."""
    return ordered(_scope(a, b, Place("", "")))


def _scope(a: Graph, b: Graph, owner: Place) -> Iterator[Edit]:
    if a == b:
        return
    pairs = align(a.nodes, b.nodes)
    yield from _unmatched(a, b, owner, pairs)
    known = _names(a, b, pairs)
    if a.kind != b.kind:
        yield Recast(owner, a.kind, b.kind)
    if a.inputs != b.inputs or known.get(a.output) != b.output:
        yield Ports(owner, (a.inputs, a.output), (b.inputs, b.output))
    for i, j in pairs:
        yield from _node(a.nodes[i], b.nodes[j], owner, known)


def _unmatched(a: Graph, b: Graph, owner: Place, pairs: list[Pair]) -> Iterator[Edit]:
    left, right = {i for i, _ in pairs}, {j for _, j in pairs}
    for i, node in enumerate(a.nodes):
        if i not in left:
            yield Remove(owner, i, node)
    for j, node in enumerate(b.nodes):
        if j not in right:
            yield Insert(owner, j, node)


def _names(a: Graph, b: Graph, pairs: list[Pair]) -> dict[str, str]:
    """Return what the values of a's scope that live on are called in b's."""
    known = dict(zip(a.inputs, b.inputs, strict=False))
    return known | {a.nodes[i].name: b.nodes[j].name for i, j in pairs}


def _node(x: Node, y: Node, owner: Place, known: dict[str, str]) -> Iterator[Edit]:
    place = owner.child(x.name, y.name)
    if x.name != y.name:
        yield Rename(owner, x.name, y.name)
    if tuple(known.get(name) for name in x.inputs) != y.inputs:
        yield Rewire(place, x.inputs, y.inputs)
    if isinstance(x.body, Graph) and isinstance(y.body, Graph):
        yield from _scope(x.body, y.body, place)
    elif isinstance(x.body, Op) and isinstance(y.body, Op) and x.body != y.body:
        yield Change(place, x.body, y.body)
