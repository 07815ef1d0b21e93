"""Nodes and graphs.

Rules kept by every graph: names are unique within it; an input is one of the graph's inputs or
a node further up; a node's body is an operator or another graph with as many inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stspec.ops.base import Op

Side = str
"""The edge of a node that a role names: ``input``, ``output``, or ``entry``, inside a block."""


@dataclass(frozen=True, slots=True)
class Tags:
    """What selectors, messages and the emitter know of a node beyond what it computes."""

    slot: str | None = None
    """Name of the convolution's place in its block."""
    unit: str | None = None
    """The convolution unit (convolution, norm, activation) that it belongs to."""
    ends: str | None = None
    """The unit whose output it is."""
    roles: tuple[tuple[str, Side], ...] = ()
    stage: int | None = None
    block: int | None = None
    rule: str | None = None
    """The policy rule that made or changed it, as a path: temporal.tam."""
    value: str | None = None
    """What its result is called in emitted code."""
    core: str | None = None
    """Path, within a block that stands in a convolution's place, of what takes its weights."""
    core_norm: tuple[str, str] | None = None
    """Path of what takes a norm's weights there, and the norm's name beside the convolution."""
    head: bool = False
    """Whether it belongs to the head, whose maps are no trunk's."""
    pathway: str | None = None
    """The pathway that it belongs to, where that is not the trunk; on a model's own nodes."""


@dataclass(frozen=True, slots=True)
class Node:
    """An operator or a nested graph, applied to named values of its scope."""

    name: str
    body: Op | Graph
    inputs: tuple[str, ...]
    tags: Tags = Tags()

    def tagged(self, **changes: Any) -> Node:
        """Return the node with other tags."""
        return Node(self.name, self.body, self.inputs, replace(self.tags, **changes))


@dataclass(frozen=True, slots=True)
class Graph:
    """A named composite: a unit, block, stage, head or the whole model."""

    kind: str
    """``sequential``, ``model``, ``head`` or a block's name, from which its class gets its name."""
    nodes: tuple[Node, ...]
    output: str
    inputs: tuple[str, ...] = ("x",)
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The block's own settings: names for the constructor arguments of its class."""

    def node(self, name: str) -> Node:
        """Return a node by name.

        Raises:
            KeyError: if there is none.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def consumers(self, value: str) -> list[Node]:
        """Return the nodes that read a value of this scope."""
        return [node for node in self.nodes if value in node.inputs]

    def with_nodes(self, nodes: tuple[Node, ...], output: str | None = None) -> Graph:
        """Return the graph with other nodes."""
        return Graph(self.kind, nodes, output or self.output, self.inputs, self.fields)


def walk(graph: Graph, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every node with its path, owners before what they own."""
    for node in graph.nodes:
        path = f"{prefix}{node.name}"
        yield path, node
        if isinstance(node.body, Graph):
            yield from walk(node.body, path + ".")


def leaves(graph: Graph) -> Iterator[tuple[str, Node]]:
    """Yield every operator with its path."""
    return ((path, node) for path, node in walk(graph) if isinstance(node.body, Op))


def taken_over(graph: Graph) -> dict[str, str]:
    """Return, for the cores of blocks that stand in convolutions' places, these convolutions."""
    found: dict[str, str] = {}
    for path, node in walk(graph):
        if node.tags.core is not None:
            # A core may itself be a block by now: then it stands for what its owner stood for.
            found[f"{path}.{node.tags.core}"] = found.get(path, path)
        if node.tags.core_norm is not None:
            inner, outer = node.tags.core_norm
            found[f"{path}.{inner}"] = path.removesuffix(node.name) + outer
    return found


def rules_of(graph: Graph) -> dict[str, str]:
    """Return the rule that made or changed each node, itself or what owns it, by path."""
    found: dict[str, str] = {}
    for path, node in walk(graph):
        rule = node.tags.rule or found.get(path.rpartition(".")[0])
        if rule is not None:
            found[path] = rule
    return found


def opened(node: Node) -> tuple[Node, ...]:
    """Return the nodes of a nested graph as its owner's, under the names owner_node.

    The node that gives the graph's result takes the graph's name, so all that read it still do.
    """
    graph = node.body
    assert isinstance(graph, Graph)
    names = {inner.name: f"{node.name}_{inner.name}" for inner in graph.nodes}
    names |= dict(zip(graph.inputs, node.inputs, strict=True)) | {graph.output: node.name}
    outer = node.tags
    shared = {"stage": outer.stage, "pathway": outer.pathway, "head": outer.head}
    found = []
    for inner in graph.nodes:
        roles = inner.tags.roles
        if inner.name == graph.output:
            roles += tuple(role for role in outer.roles if role[1] == "output")
        tags = {key: value for key, value in shared.items() if value}
        inputs = tuple(names[name] for name in inner.inputs)
        moved = replace(inner, name=names[inner.name], inputs=inputs)
        found.append(moved.tagged(**tags, roles=roles, value=None))
    return tuple(found)


def pathway_at(graph: Graph, path: str) -> str | None:
    """Return the pathway of a node of a model; None is the trunk."""
    return graph.node(path.partition(".")[0]).tags.pathway


def channel_map(graph: Graph, channels: Sequence[int], prefix: str = "") -> dict[str, int]:
    """Return the channels of every value by path; a scope's inputs stand under their names."""
    known = {prefix + name: c for name, c in zip(graph.inputs, channels, strict=True)}
    for node in graph.nodes:
        path = prefix + node.name
        arriving = [known[prefix + name] for name in node.inputs]
        if isinstance(node.body, Graph):
            known |= channel_map(node.body, arriving, path + ".")
            known[path] = known[f"{path}.{node.body.output}"]
        else:
            known[path] = node.body.channels(arriving)
    return known
