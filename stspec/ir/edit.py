"""Edits of a graph: insert beside a node, replace a node, find its owner. Graphs never change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from stspec.graph import Graph, Node
from stspec.ops.activation import Activation
from stspec.ops.norm import BatchNorm

Edit: TypeAlias = Callable[[Graph, Node], Graph]
"""What gives a node's owner edited, from the owner and the node."""


def edit_owner(graph: Graph, path: str, edit: Edit) -> Graph:
    """Return the graph with the owner of a path's node edited."""
    return edit_owners(graph, {path: edit})


def edit_owners(graph: Graph, edits: Mapping[str, Edit]) -> Graph:
    """Return the graph with the owner of each path's node edited, in the order given.

    No path may lead to a node inside another's. Blocks that are one object, edited by the same
    functions, remain one.
    """
    return _edited(graph, edits, {})


_Done: TypeAlias = dict[tuple[int, tuple[tuple[str, Edit], ...]], Graph]
"""What has been edited: by the graph, which the caller holds, and the edits."""


def _edited(graph: Graph, edits: Mapping[str, Edit], done: _Done) -> Graph:
    here: dict[str, Edit] = {}
    inside: dict[str, dict[str, Edit]] = {}
    for path, edit in edits.items():
        name, dot, rest = path.partition(".")
        if dot:
            inside.setdefault(name, {})[rest] = edit
        else:
            here[name] = edit
    if inside:
        nodes = (_inside(node, inside.get(node.name), done) for node in graph.nodes)
        graph = graph.with_nodes(tuple(nodes))
    for name, edit in here.items():
        graph = edit(graph, graph.node(name))
    return graph


def _inside(node: Node, edits: Mapping[str, Edit] | None, done: _Done) -> Node:
    if edits is None:
        return node
    assert isinstance(node.body, Graph)
    key = id(node.body), tuple(edits.items())
    if key not in done:
        done[key] = _edited(node.body, edits, done)
    return Node(node.name, done[key], node.inputs, node.tags)


def swap(graph: Graph, old: Node, *new: Node) -> Graph:
    """Put other nodes in the place of one."""
    nodes: list[Node] = []
    for node in graph.nodes:
        nodes.extend(new if node.name == old.name else (node,))
    return graph.with_nodes(tuple(nodes))


def insert_before(graph: Graph, node: Node, new: Node) -> Graph:
    """Let a new node read what a node reads first, and the node read the new one."""
    new = replace(new, inputs=node.inputs[:1])
    return swap(graph, node, new, replace(node, inputs=(new.name, *node.inputs[1:])))


def insert_after(graph: Graph, node: Node, new: Node) -> Graph:
    """Let a new node read a node, and all that read the node read the new one."""
    new = replace(new, inputs=(node.name,))
    nodes: list[Node] = []
    for other in graph.nodes:
        nodes.append(rewired(other, node.name, new.name))
        if other.name == node.name:
            nodes.append(new)
    output = new.name if graph.output == node.name else graph.output
    return graph.with_nodes(tuple(nodes), output)


def insert_entry(owner: Graph, node: Node, new: Node) -> Graph:
    """Let a new node inside a block read the block's input, and all inside read the new one.

    What was inserted there before is read by the new one.
    """
    block = node.body
    assert isinstance(block, Graph)
    count = _inserted_in_front(block)
    before, after = block.nodes[:count], block.nodes[count:]
    entry = before[-1].name if before else block.inputs[0]
    name = free_name(block, new.name)
    moved = tuple(rewired(n, entry, name) for n in after)
    output = name if block.output == entry else block.output
    first = replace(new, name=name, inputs=(entry,))
    nodes = (*before, first, *moved)
    return swap(owner, node, replace(node, body=block.with_nodes(nodes, output)))


def _inserted_in_front(block: Graph) -> int:
    """Return the number of nodes in front that rules have inserted at the block's entry."""
    entry = block.inputs[0]
    for count, node in enumerate(block.nodes):
        tags = node.tags
        made = tags.rule is not None and tags.slot is None and tags.unit is None
        if not made or block.consumers(entry) != [node]:
            return count
        entry = node.name
    return len(block.nodes)


def rewired(node: Node, old: str, new: str) -> Node:
    """Return the node reading one value in another's place."""
    if old not in node.inputs:
        return node
    return replace(node, inputs=tuple(new if value == old else value for value in node.inputs))


def free_name(graph: Graph, name: str) -> str:
    """Return a name that no node of the graph has."""
    taken = {node.name for node in graph.nodes} | set(graph.inputs)
    if name not in taken:
        return name
    return next(f"{name}{i}" for i in range(2, 10_000) if f"{name}{i}" not in taken)


def unit_of(owner: Graph, node: Node) -> list[Node]:
    """Return the convolution with the norm and the activation that directly follow it."""
    unit = [node]
    for kind in (BatchNorm, Activation):
        following = [n for n in owner.nodes if n.inputs == (unit[-1].name,)]
        same = [n for n in following if n.tags.unit is not None and n.tags.unit == node.tags.unit]
        unit += [n for n in same if isinstance(n.body, kind)]
    return unit


def replace_unit(owner: Graph, unit: list[Node], made: list[Node]) -> Graph:
    """Put other nodes in the place of a unit; what read its end reads theirs."""
    old, last = unit[-1].name, made[-1].name
    members = {n.name for n in unit}
    nodes: list[Node] = []
    for node in owner.nodes:
        if node.name == unit[0].name:
            nodes.extend(made)
        if node.name not in members:
            nodes.append(rewired(node, old, last))
    return owner.with_nodes(tuple(nodes), last if owner.output == old else owner.output)
