"""A scope builds a graph: blocks and backbones write their nodes into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import count
from typing import Any

from stspec.graph.model import Graph, Node, Tags, channel_map, opened
from stspec.ops.activation import Activation
from stspec.ops.base import Op
from stspec.ops.conv import Conv2d, Conv3d
from stspec.ops.norm import BatchNorm


@dataclass(frozen=True, slots=True)
class Ref:
    """A value of a scope: its name and its number of channels."""

    name: str
    channels: int


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a backbone sets for all of its blocks."""

    norm: BatchNorm | None
    activation: type[Activation]
    conv_bias: bool = False


class Scope:
    """Collects the nodes of one graph, in order."""

    def __init__(self, kind: str, channels: Sequence[int], defaults: Defaults) -> None:
        self.kind = kind
        self.defaults = defaults
        self.fields: dict[str, Any] = {}
        self._nodes: list[Node] = []
        names = ("x",) if len(channels) == 1 else tuple(f"x{i}" for i in range(len(channels)))
        self.inputs = tuple(Ref(name, c) for name, c in zip(names, channels, strict=True))
        self._taken = set(names)

    @property
    def x(self) -> Ref:
        """Return the first input."""
        return self.inputs[0]

    def under(self, defaults: Defaults) -> Scope:
        """Return the same graph under other defaults: what either writes, both hold."""
        other = copy(self)
        other.defaults = defaults
        return other

    def add(self, name: str, op: Op, *inputs: Ref, **tags: Any) -> Ref:
        """Add an operator and return its value."""
        name = self._free(name)
        self._nodes.append(Node(name, op, tuple(ref.name for ref in inputs), Tags(**tags)))
        return Ref(name, op.channels([ref.channels for ref in inputs]))

    def nest(self, name: str, graph: Graph, channels: int, *inputs: Ref, **tags: Any) -> Ref:
        """Add a nested graph and return its value."""
        name = self._free(name)
        self._nodes.append(Node(name, graph, tuple(ref.name for ref in inputs), Tags(**tags)))
        return Ref(name, channels)

    def _free(self, name: str) -> str:
        """Take a name that is not taken yet: a head may meet a layer of the same name."""
        if name in self._taken:
            name = next(f"{name}{i}" for i in count(2) if f"{name}{i}" not in self._taken)
        self._taken.add(name)
        return name

    def sub(
        self, name: str, kind: str, x: Ref, build: Callable[[Scope, Ref], Ref], **tags: Any
    ) -> Ref:
        """Build a nested graph on the spot."""
        scope = Scope(kind, [x.channels], self.defaults)
        out = build(scope, scope.x)
        scope.fields = {"in_channels": x.channels, "out_channels": out.channels} | scope.fields
        return self.nest(name, scope.finish(out), out.channels, x, **tags)

    def unit(
        self,
        name: str,
        x: Ref,
        *,
        norm: str | None,
        act: str | None = None,
        activation: type[Activation] | None = None,
        slot: str | None = None,
        roles: tuple[tuple[str, str], ...] = (),
        **conv: Any,
    ) -> Ref:
        """Add convolution, norm and, where ``act`` names it, activation.

        Args:
            name: the convolution's name.
            x: what it reads.
            norm: the norm's name, if the unit has one; left out where the backbone has none.
            act: the activation's name, if the unit has one.
            activation: the activation, where it is not the backbone's.
            slot: what selectors call the convolution; its name by default.
            roles: roles of the convolution's edges.
            conv: fields of ``Conv2d``, or of ``Conv3d`` where one is about time.
        """
        slot = slot or name
        conv.setdefault("bias", self.defaults.conv_bias)
        op = Conv2d if conv.keys() <= Conv2d.model_fields.keys() else Conv3d
        y = self.add(name, op(**conv), x, slot=slot, unit=slot, roles=roles)
        if norm is not None and self.defaults.norm is not None:
            y = self.add(norm, self.defaults.norm, y, unit=slot)
        if act is not None:
            y = self.add(act, (activation or self.defaults.activation)(), y, unit=slot)
        self._tag_last(ends=slot)
        return y

    def _tag_last(self, **tags: Any) -> None:
        self._nodes[-1] = self._nodes[-1].tagged(**tags)

    def move_end(self, unit: str) -> None:
        """Let the node that is added next be the end of a unit."""
        for index, node in enumerate(self._nodes):
            if node.tags.ends == unit:
                self._nodes[index] = node.tagged(ends=None)

    def role(self, ref: Ref, *roles: tuple[str, str]) -> Ref:
        """Give the node of a value further roles."""
        for index, node in enumerate(self._nodes):
            if node.name == ref.name:
                self._nodes[index] = node.tagged(roles=node.tags.roles + roles)
        return ref

    def open_up(self, path: str) -> Ref | None:
        """Write a nested graph's nodes in its place, so that one inside can be read from outside.

        Args:
            path: the node wanted, from this scope down: ``inception3c.branch3.0``. Every graph on
                the way is opened; what is beside it stays as it was.

        Returns:
            The node's value, or None where there is no such node.
        """
        owner, _, rest = path.partition(".")
        index = next((i for i, node in enumerate(self._nodes) if node.name == owner), None)
        if index is None or not isinstance(self._nodes[index].body, Graph):
            return None
        node = self._nodes[index]
        inner = opened(node)
        names = {name.removeprefix(f"{owner}_"): name for name in (n.name for n in inner)}
        assert isinstance(node.body, Graph)
        first, _, below = rest.partition(".")
        wanted = owner if first == node.body.output else names.get(first)
        if wanted is None:
            return None
        self._nodes[index : index + 1] = inner
        self._taken.update(node.name for node in inner)
        if below:
            return self.open_up(f"{wanted}.{below}")
        return Ref(wanted, self._channels()[wanted])

    def _channels(self) -> dict[str, int]:
        inputs = tuple(ref.name for ref in self.inputs)
        graph = Graph(self.kind, tuple(self._nodes), inputs[0], inputs)
        return channel_map(graph, [ref.channels for ref in self.inputs])

    def head(self, build: Callable[..., Ref], *read: Ref) -> Ref:
        """Let a head write its nodes behind those of the pathways."""
        behind = len(self._nodes)
        out = build(self, *read)
        self._nodes[behind:] = [node.tagged(head=True) for node in self._nodes[behind:]]
        return out

    def finish(self, output: Ref) -> Graph:
        """Return the graph."""
        names = tuple(ref.name for ref in self.inputs)
        return Graph(self.kind, tuple(self._nodes), output.name, names, dict(self.fields))
