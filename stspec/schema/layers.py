"""Layers of a backbone: operators, stages of blocks, numbered sequences."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, replace
from typing import Any

from stspec.blocks.base import Block
from stspec.blocks.registry import BLOCKS
from stspec.diagnostics import Diagnostic, Label, SpecError, did_you_mean
from stspec.ops.base import Op
from stspec.ops.plugin import find_op
from stspec.ops.squeeze import rounded
from stspec.schema.collect import Collector, names_of, split
from stspec.schema.models import Backbone, LayerKeys
from stspec.schema.names import check_known, check_name
from stspec.schema.validate import validate
from stspec.source.nodes import Mapping, Node, Scalar, Sequence

MOST_LAYERS = 2000
"""Layers and blocks of one backbone; the deepest networks in print have a few hundred."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a backbone: an operator, a stage of blocks, or a numbered sequence."""

    name: str
    body: type[Op] | type[Block] | tuple[Layer, ...]
    values: MappingType[str, Any]
    keys: LayerKeys
    node: Mapping

    @property
    def count(self) -> int:
        """Return the number of operators and blocks that it stands for."""
        own = sum(layer.count for layer in self.body) if isinstance(self.body, tuple) else 1
        return own * self.keys.repeat


def parse_layers(
    node: Node | None,
    errors: Collector,
    place: tuple[str, ...] = (),
    section: str = "backbone.layers",
) -> tuple[Layer, ...]:
    """Return the layers of a backbone, or of another section, at a place in the tree.

    Mistakes go to the collector.
    """
    if not isinstance(node, Mapping):
        return ()
    layers = []
    for key, value in node.entries:
        with errors.collect():
            check_name(key)
            if isinstance(value, Mapping):
                names = [name for name, _ in node.entries]
                check_known("layer", key, value, ("op", "block", "sequence"), names)
                path = (*place, *section.split("."), str(key.value))
                layers.append(_layer(str(key.value), value, key, path))
    with errors.collect():
        check_count(layers, node)
    return tuple(layers)


def scaled(layer: Layer, backbone: Backbone) -> Layer:
    """Return a layer with other numbers of channels and blocks (Tan and Le, EfficientNet, 2019).

    Channels are rounded to the nearest multiple of the divisor, and up where that would take
    away more than a tenth; with a divisor of 1 fractions are cut off, as in wide ResNets
    (Zagoruyko and Komodakis, BMVC 2016), unless the backbone says otherwise. The blocks of a
    stage are rounded up.
    """
    if isinstance(layer.body, tuple):
        return replace(layer, body=tuple(scaled(x, backbone) for x in layer.body))
    width = backbone.width if layer.keys.narrows else max(1.0, backbone.width)

    def scale(value: Any) -> Any:
        if isinstance(value, list):
            return [scale(item) for item in value]
        if type(value) is not int:
            return value
        if backbone.cuts_off:
            return max(1, int(value * width) // backbone.divisor) * backbone.divisor
        return rounded(value * width, backbone.divisor)

    values = {k: scale(v) if k in layer.body.channel_fields else v for k, v in layer.values.items()}
    keys = layer.keys
    if "repeat" in keys.model_fields_set:
        keys = keys.model_copy(update={"repeat": math.ceil(keys.repeat * backbone.depth)})
    return replace(layer, values=values, keys=keys)


def check_count(layers: Iterable[Layer], node: Node) -> None:
    """Raise a SpecError where there are more layers and blocks than can be built."""
    count = sum(layer.count for layer in layers)
    if count > MOST_LAYERS:
        raise SpecError(
            Diagnostic(
                "too-large",
                f"this backbone has {count} layers and blocks",
                (Label(node.span, f"at most {MOST_LAYERS} can be built"),),
            )
        )


def _layer(name: str, node: Mapping, key: Scalar | None, path: tuple[str | int, ...]) -> Layer:
    keys_node, fields = split(node, LayerKeys)
    keys = validate(keys_node, LayerKeys, path=path, key=key)
    if keys.sequence is not None:
        return _sequence(name, node, fields, keys, path)
    if keys.op is not None:
        _refuse_repeat(node, "an operator stands once; repeat a block")
        body: type[Op] | type[Block] = chainable(find_op(scalar(node, "op")), scalar(node, "op"))
    else:
        body = _find_block(node)
    also = names_of(LayerKeys)
    values = validate(fields, body, path=path, key=key, also=also)
    return Layer(name, body, values.model_dump(exclude_unset=True), keys, node)


def _sequence(
    name: str, node: Mapping, fields: Mapping, keys: LayerKeys, path: tuple[str | int, ...]
) -> Layer:
    _refuse_repeat(node, "a sequence stands once; repeat its blocks")
    if fields.entries:
        labels = tuple(Label(key.span, "no key of a sequence") for key, _ in fields.entries)
        raise SpecError(Diagnostic("unknown-key", "a sequence has no such key", labels))
    sequence = node.get("sequence")
    items = sequence.items if isinstance(sequence, Sequence) else ()
    children = []
    for i, item in enumerate(items):
        assert isinstance(item, Mapping)
        inner = item.key("sequence")
        if inner is not None:
            label = Label(inner.span, "a sequence in a sequence")
            raise SpecError(Diagnostic("bad-value", "sequences cannot be nested", (label,)))
        children.append(_layer(str(i), item, None, (*path, "sequence", i)))
    return Layer(name, tuple(children), {}, keys, node)


def _refuse_repeat(node: Mapping, reason: str) -> None:
    key = node.key("repeat")
    if key is not None:
        raise SpecError(
            Diagnostic("bad-value", "`repeat` goes with `block`", (Label(key.span, reason),))
        )


def scalar(node: Mapping, key: str) -> Scalar:
    """Return the value of a key that is known to be a scalar."""
    value = node.get(key)
    assert isinstance(value, Scalar)
    return value


def chainable(op: type[Op], value: Scalar) -> type[Op]:
    """Return an operator that reads one value.

    Raises:
        SpecError: if it joins several.
    """
    if op.arity == 1:
        return op
    label = Label(value.span, "needs several inputs")
    message = f"{op.kind} joins several values and cannot stand in a chain"
    raise SpecError(Diagnostic("bad-value", message, (label,), help="blocks use it inside"))


def _find_block(node: Mapping) -> type[Block]:
    value = scalar(node, "block")
    block = BLOCKS.get(str(value.value))
    if block is None:
        raise SpecError(
            Diagnostic(
                "unknown-block",
                f"there is no block `{value.value!s:.80}`",
                (Label(value.span, "not a block"),),
                help=did_you_mean(str(value.value), sorted(BLOCKS)),
            )
        )
    return block
