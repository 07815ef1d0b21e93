"""The body of ``forward``: a graph as statements that a person would write."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from stspec.graph import Graph, Node
from stspec.ops.activation import Activation
from stspec.ops.base import Layer, Layout, Op, Shape, Site
from stspec.ops.join import Add, Concat
from stspec.ops.norm import BatchNorm
from stspec.passes.facts import Facts
from stspec.passes.layout import preference

FRAMES_OF = "⟦{}⟧"
"""Stands for a number of frames until the planner knows whether it varies between uses."""


NOT_LOCAL = frozenset(
    {"torch", "F", "nn", "Tensor", "self", "super", "clip", "features", *dir(builtins)}
)
"""Names that a variable would hide."""


@dataclass(frozen=True, slots=True)
class Statement:
    """``target = expression``; the last one of a graph is returned and has no target."""

    target: str | None
    expression: str
    shape: str


@dataclass(slots=True)
class _Value:
    expression: str
    layout: Layout
    shape: Shape
    head: str = ""
    """Name of the first module in an expression, after which a variable may be called."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """In which layout a graph's inputs arrive and its output is expected."""

    arrives: Layout
    leaves: Layout | None


class Forward:
    """Writes the statements of one graph.

    Args:
        graph: the graph.
        prefix: its path, with a dot behind it.
        facts: shapes of its nodes.
        boundary: layouts at its edges.
        names: what its inputs are called.
        attribute: how a node's module is written, such as ``self.conv1``.
    """

    def __init__(
        self,
        graph: Graph,
        prefix: str,
        facts: Facts,
        boundary: Boundary,
        names: Mapping[str, str],
    ) -> None:
        self.graph, self.prefix, self.facts = graph, prefix, facts
        self.boundary = boundary
        self.uses = self._count_uses()
        self.last = self._last_uses()
        self.owner: dict[str, str] = {}
        self.values: dict[str, _Value] = {}
        self.statements: list[Statement] = []
        self.frames: dict[str, int] = {}
        for name, shape in zip(graph.inputs, self._input_shapes(), strict=True):
            self.values[name] = _Value(names[name], boundary.arrives, shape)
            self.owner[names[name]] = name

    def _input_shapes(self) -> tuple[Shape, ...]:
        return self.facts[self.prefix[:-1]].inputs if self.prefix else (self.facts.input,)

    def _count_uses(self) -> dict[str, int]:
        uses: dict[str, int] = {self.graph.output: 1}
        for node in self.graph.nodes:
            for name in node.inputs:
                uses[name] = uses.get(name, 0) + 1
        return uses

    def _last_uses(self) -> dict[str, int]:
        last = {name: i for i, node in enumerate(self.graph.nodes) for name in node.inputs}
        last[self.graph.output] = len(self.graph.nodes)
        return last

    def write(self) -> list[Statement]:
        """Return the statements."""
        for index, node in enumerate(self.graph.nodes):
            self._node(index, node)
        out = self.values[self.graph.output]
        expression = self._in_layout(out, self.boundary.leaves, "output")
        if self.statements and out.expression == self.statements[-1].target:
            last = self.statements.pop()
            if expression != out.expression:
                self.statements.append(last)
            elif not last.expression.startswith(("F.", "torch.")):
                # A module call is typed Any: its result is returned by a name that is a Tensor.
                self.statements.append(Statement("out: Tensor", last.expression, last.shape))
                expression = "out"
            else:
                expression = last.expression
        self.statements.append(Statement(None, expression, _shape(out.shape, out.layout)))
        return self.statements

    def _node(self, index: int, node: Node) -> None:
        path = self.prefix + node.name
        shape = self.facts[path].output
        layout = self.layout_at(node)
        arguments = [self._in_layout(self.values[name], layout, name) for name in node.inputs]
        expression = self._expression(node, layout, arguments)
        head = self.values[node.inputs[0]].head if _follows(node) else node.name
        value = _Value(expression, layout, shape, head)
        self.values[node.name] = value
        if not self._inlined(index, node):
            value.expression = self._assign(index, node, value)

    def layout_at(self, node: Node) -> Layout:
        """Return the layout in which a node runs."""
        return preference(node.body) or self.values[node.inputs[0]].layout

    def _in_layout(self, value: _Value, layout: Layout | None, key: str) -> str:
        if layout in (None, value.layout) or value.shape.frames is None:
            return value.expression
        if not value.shape.is_trunk:
            folded = layout == "frames"
            frames = "" if folded else self._frames(key, value.shape)
            if folded:
                return f"{value.expression}.flatten(0, 1)"
            return f"torch.unflatten({value.expression}, 0, (-1, {frames}))"
        if layout == "frames":
            return f"fold_time({value.expression})"
        return f"unfold_time({value.expression}, {self._frames(key, value.shape)})"

    def _frames(self, key: str, shape: Shape) -> str:
        self.frames[key] = shape.frames or 1
        return FRAMES_OF.format(key)

    def _expression(self, node: Node, layout: Layout, arguments: list[str]) -> str:
        if isinstance(node.body, Op) and self.layer(node, layout) is None:
            site = self.site(node, layout)
            template = node.body.function(site)
            if "{frames}" in template:
                return template.format(*arguments, frames=self._frames(node.name, site.inputs[0]))
            return template.format(*arguments)
        name = f'get_submodule("{node.name}")' if node.name.isdigit() else node.name
        tail = node.body.result() if isinstance(node.body, Op) else ""
        return f"self.{name}({', '.join(arguments)}){tail}"

    def layer(self, node: Node, layout: Layout) -> Layer | None:
        """Return the module that a node constructs; a sequence's activations are modules too."""
        assert isinstance(node.body, Op)
        site = self.site(node, layout)
        if self.graph.kind == "sequential" and isinstance(node.body, Activation):
            return node.body.as_module(site)
        return node.body.layer(site)

    def site(self, node: Node, layout: Layout) -> Site:
        """Return where a node stands."""
        fact = self.facts[self.prefix + node.name]
        return Site(fact.inputs, fact.output, layout, self._may_overwrite(node))

    def _may_overwrite(self, node: Node) -> bool:
        """Tell whether an activation, or a sum, may write over what it reads first."""
        if not isinstance(node.body, Activation | Add):
            return False
        source = node.inputs[0]
        if source in self.graph.inputs or self.uses[source] > 1:
            return False
        given_by = origin(self.graph.node(source))
        if isinstance(node.body, Add):  # at the end of a branch, over what its norm gives
            return isinstance(given_by, BatchNorm)
        return given_by is not None and given_by.keeps_memory

    def _inlined(self, index: int, node: Node) -> bool:
        """Tell whether the next statement writes this value around or within itself."""
        if self.uses.get(node.name, 0) != 1:
            return False
        if index + 1 < len(self.graph.nodes):
            following = self.graph.nodes[index + 1]
            return _follows(following) and following.inputs[0] == node.name
        return False

    def _assign(self, index: int, node: Node, value: _Value) -> str:
        target = self._variable(index, node, value)
        self.owner[target] = node.name
        shape = _shape(value.shape, value.layout)
        self.statements.append(Statement(target, value.expression, shape))
        return target

    def _variable(self, index: int, node: Node, value: _Value) -> str:
        hint = node.tags.value
        readers = self.graph.consumers(node.name)
        if hint is None and any(isinstance(r.body, Concat) for r in readers):
            hint = value.head
        if hint is not None and (hint in NOT_LOCAL or not hint.isidentifier()):
            hint = None
        numbered = (f"x{i}" for i in range(2, 10_000))
        for name in chain((hint, "x", "y", "z", "u", "v", "w"), numbered):
            if name is not None and self._free(name, index):
                return name
        raise AssertionError("no free variable")

    def _free(self, name: str, index: int) -> bool:
        owner = self.owner.get(name)
        return owner is None or self.last.get(owner, -1) <= index


def _follows(node: Node) -> bool:
    return isinstance(node.body, Op) and node.body.follows


def origin(node: Node) -> Op | None:
    """Return the operator that computes a node's result, None where it is what was read."""
    if isinstance(node.body, Graph):
        graph = node.body
        return None if graph.output in graph.inputs else origin(graph.node(graph.output))
    return node.body


def _shape(shape: Shape, layout: Layout) -> str:
    """Return a shape as it lies in memory: folded frames are N*T."""
    if shape.frames is None:
        return f"(N, {shape.channels})"
    if not shape.is_trunk:
        if layout == "frames":
            return f"(N*{shape.frames}, {shape.channels})"
        return f"(N, {shape.frames}, {shape.channels})"
    if layout == "frames":
        return f"(N*{shape.frames}, {shape.channels}, {shape.height}, {shape.width})"
    return str(shape)
