"""Constructions: what ``__init__`` makes, with every value still apart from its place.

A member is a layer (constructor call), an ``nn.Sequential`` of members, or an instance of a
class that is planned elsewhere. Values are looked up by slot, so that instances of one class can
be compared slot by slot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from stspec.emit.forward import Boundary, Forward, Statement
from stspec.graph import Graph, Node
from stspec.ops.activation import Activation
from stspec.ops.base import Layer, Layout, Op, Value
from stspec.passes.facts import Facts
from stspec.passes.layout import preference

CONVOLUTION = "convolution"
"""The template whose convolution is as fast for one clip as for several."""

Slot = tuple[str, str, int]
"""Member path within its class, argument name, and index within a tuple (-1 for a scalar)."""


@dataclass(slots=True)
class Member:
    """One attribute of a class, or one child of a sequence."""

    name: str
    layer: Layer | None = None
    children: list[Member] | None = None
    instance: Instance | None = None


@dataclass(slots=True)
class Instance:
    """One use of a class: a graph at a path, its members and its statements."""

    path: str
    graph: Graph
    members: list[Member]
    statements: list[Statement]
    frames: dict[str, int] = field(default_factory=dict)

    def instances(self) -> Iterator[Instance]:
        """Yield the instances that it owns."""
        for member in self.members:
            yield from _instances(member)


def _instances(member: Member) -> Iterator[Instance]:
    if member.instance is not None:
        yield member.instance
    for child in member.children or ():
        yield from _instances(child)


def layers_of(instance: Instance) -> Iterator[Layer]:
    """Yield every layer that an instance constructs, itself or in what it owns."""
    yield from _layers(instance.members)


def _layers(members: list[Member]) -> Iterator[Layer]:
    for member in members:
        if member.layer is not None:
            yield member.layer
        if member.instance is not None:
            yield from layers_of(member.instance)
        yield from _layers(member.children or [])


def quicken(root: Instance) -> None:
    """Let all convolutions of clips run by oneDNN if for a single clip some would not."""
    if any(layer.is_small for layer in layers_of(root)):
        _quicken(root.members)


def _quicken(members: list[Member]) -> None:
    for member in members:
        if member.layer is not None and member.layer.cls == "nn.Conv3d":
            member.layer = replace(member.layer, cls="Conv3d", template=CONVOLUTION, is_torch=True)
        if member.instance is not None:
            _quicken(member.instance.members)
        _quicken(member.children or [])


def layer_slots(layer: Layer, path: str) -> Iterator[tuple[Slot, Value]]:
    """Yield the values of a layer's arguments, tuples element by element."""
    for arg in layer.args:
        if isinstance(arg.value, tuple):
            yield from (((path, arg.name, i), value) for i, value in enumerate(arg.value))
        else:
            yield (path, arg.name, -1), arg.value


class Constructor:
    """Turns a graph with facts into a tree of instances."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def model(self, graph: Graph) -> Instance:
        """Return the whole model as one instance."""
        features = not self.facts.input.is_trunk
        boundary = Boundary("clip" if features else entry_layout(graph), "clip")
        name = "features" if features else input_name(graph)
        return self._instance(graph, "", boundary, {"x": name})

    def _instance(
        self, graph: Graph, prefix: str, boundary: Boundary, names: dict[str, str]
    ) -> Instance:
        forward = Forward(graph, prefix, self.facts, boundary, names)
        statements = forward.write()
        members = []
        for node in graph.nodes:
            layout = forward.layout_at(node)
            member = self._member(node, prefix, layout, forward)
            if member is not None:
                members.append(member)
        return Instance(prefix.rstrip("."), graph, members, statements, forward.frames)

    def _member(self, node: Node, prefix: str, layout: Layout, forward: Forward) -> Member | None:
        if isinstance(node.body, Op):
            layer = forward.layer(node, layout)
            return None if layer is None else Member(node.name, layer)
        path = f"{prefix}{node.name}."
        if is_plain_sequence(node.body, layout):
            return Member(node.name, children=self._children(node.body, path, layout))
        return Member(node.name, instance=self._nested(node.body, path, layout))

    def _nested(self, graph: Graph, path: str, layout: Layout) -> Instance:
        names = {name: name for name in graph.inputs}
        return self._instance(graph, path, Boundary(layout, layout), names)

    def _children(self, graph: Graph, prefix: str, layout: Layout) -> list[Member]:
        boundary = Boundary(layout, layout)
        names = {name: name for name in graph.inputs}
        forward = Forward(graph, prefix, self.facts, boundary, names)
        children = []
        for node in graph.nodes:
            member = self._member(node, prefix, layout, forward)
            assert member is not None, f"{prefix}{node.name} cannot stand in a sequence"
            children.append(member)
        return children


def is_plain_sequence(graph: Graph, layout: Layout) -> bool:
    """Tell whether nn.Sequential can hold a graph: numbered members that run in one layout."""
    if graph.kind != "sequential":
        return False
    numbers = [node.name for node in graph.nodes] == [str(i) for i in range(len(graph.nodes))]
    return numbers and all(_is_member(node.body, layout) for node in graph.nodes)


def _is_member(body: Op | Graph, layout: Layout) -> bool:
    """Tell whether nn.Sequential can hold a body: a module that runs in its layout."""
    if isinstance(body, Graph):
        return True
    is_module = type(body).layer is not Op.layer or isinstance(body, Activation)
    return is_module and not body.result() and body.layout in (None, layout)


def input_name(graph: Graph) -> str:
    """Return what a model's input is called: where several nodes read it, it keeps its name."""
    return "x" if len(graph.consumers("x")) <= 1 else "clip"


def entry_layout(graph: Graph) -> Layout:
    """Return the layout in which a model's first operator works."""
    for node in graph.nodes:
        asked = preference(node.body)
        if asked is not None:
            return asked
    return "clip"
