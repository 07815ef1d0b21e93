"""Layers of a backbone, written into a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from stspec.blocks.base import Block
from stspec.graph import Ref, Scope
from stspec.ops.activation import Activation
from stspec.ops.base import Op
from stspec.ops.conv import Conv2d
from stspec.ops.norm import BatchNorm
from stspec.schema.spec import Layer

INPUT_ROLES = frozenset({"residual_start", "module_input", "unit_input"})
"""Roles that name the edge in front of a node; all others name the edge behind it."""


class LayerWriter:
    """Writes a backbone's layers into a scope, counting the blocks of every stage."""

    def __init__(
        self,
        scope: Scope,
        blocks: Counter[int | None] | None = None,
        *,
        prefix: str = "",
        tags: Mapping[str, Any] | None = None,
        derived: Mapping[str, Any] | None = None,
    ) -> None:
        """Write into a scope.

        Args:
            scope: the graph.
            blocks: how many blocks each stage has so far.
            prefix: what stands in front of every layer's name.
            tags: tags of every layer.
            derived: what a block's field may say by a word, such as the rate of a lateral.
        """
        self.scope = scope
        self.blocks: Counter[int | None] = Counter() if blocks is None else blocks
        self.unit: str | None = None
        self.prefix, self.tags, self.derived = prefix, dict(tags or {}), dict(derived or {})

    def layer(self, layer: Layer, x: Ref) -> Ref:
        """Write one layer and return its value."""
        tags = {**self.tags, "stage": layer.keys.stage, "roles": roles_of(layer.keys.role)}
        name = self.prefix + layer.name
        if isinstance(layer.body, tuple):
            return self._sequence(name, layer.body, x, tags)
        if issubclass(layer.body, Op):
            return self._op(name, layer.body(**layer.values), x, tags, layer.name)
        if "repeat" in layer.keys.model_fields_set:
            return self._sequence(name, (layer,), x, tags)
        return self._block(name, layer.body(**layer.values), x, tags)

    def _op(self, name: str, op: Op, x: Ref, tags: dict[str, Any], slot: str | None = None) -> Ref:
        if isinstance(op, BatchNorm):
            op = self._norm(op)
        if isinstance(op, Conv2d):
            self.unit = name
            return self.scope.add(name, op, x, slot=slot or name, unit=name, ends=name, **tags)
        if isinstance(op, BatchNorm | Activation) and self.unit is not None:
            self.scope.move_end(self.unit)
            return self.scope.add(name, op, x, unit=self.unit, ends=self.unit, **tags)
        self.unit = None
        return self.scope.add(name, op, x, **tags)

    def _norm(self, op: BatchNorm) -> BatchNorm:
        """Return a norm that is the backbone's in all that the layer does not say."""
        shared = self.scope.defaults.norm
        return op if shared is None else BatchNorm(**{**dict(shared), **_said(op)})

    def _block(self, name: str, block: Block, x: Ref, tags: dict[str, Any]) -> Ref:
        self.unit = None
        words = {k: v for k, v in block if isinstance(v, str) and v in self.derived}
        block = block.model_copy(update={k: self.derived[word] for k, word in words.items()})
        graph, channels = block.graph(x.channels, self.scope.defaults)
        stage = tags["stage"]
        index = self.blocks[stage]
        self.blocks[stage] += 1
        tags = {**tags, "roles": (*tags["roles"], *block.roles), "block": index}
        return self.scope.nest(name, graph, channels, x, **tags)

    def _sequence(self, name: str, layers: tuple[Layer, ...], x: Ref, tags: dict[str, Any]) -> Ref:
        self.unit = None

        def build(scope: Scope, y: Ref) -> Ref:
            inner = LayerWriter(scope, self.blocks, derived=self.derived)
            index = 0
            for layer in layers:
                # A stage's roles stand on the stage, those of a numbered layer on its first block.
                roles = () if tags["roles"] else roles_of(layer.keys.role)
                for values in _repeated(layer):
                    y = inner.numbered(str(index), layer, values, y, roles)
                    roles, index = (), index + 1
            return y

        return self.scope.sub(name, "sequential", x, build, **tags)

    def numbered(
        self, name: str, layer: Layer, values: dict[str, Any], x: Ref, roles: tuple[Any, ...]
    ) -> Ref:
        """Write one member of a sequence."""
        assert not isinstance(layer.body, tuple)
        tags = {"stage": layer.keys.stage, "roles": roles}
        if issubclass(layer.body, Op):
            return self._op(name, layer.body(**values), x, tags)
        return self._block(name, layer.body(**values), x, tags)


def _repeated(layer: Layer) -> list[dict[str, Any]]:
    """Return each block's fields; a stage's stride belongs to its first block."""
    first = dict(layer.values)
    rest = {k: v for k, v in first.items() if k != "stride"}
    return [first] + [rest] * (layer.keys.repeat - 1)


def _said(op: Op) -> dict[str, Any]:
    return {name: getattr(op, name) for name in op.model_fields_set}


def roles_of(names: Any) -> tuple[tuple[str, str], ...]:
    """Return roles with the edge that each names."""
    return tuple((name, "input" if name in INPUT_ROLES else "output") for name in names)
