"""A block in the place of a convolution: what surrounds it, its norm and activation, stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stspec.blocks.base import Block
from stspec.diagnostics import SpecError
from stspec.graph import Defaults, Graph, Node
from stspec.ir.edit import replace_unit, swap, unit_of
from stspec.ir.rule import error, make
from stspec.ops.conv import Conv2d
from stspec.ops.norm import BatchNorm
from stspec.schema.spec import Rule


def replace_by_block(
    owner: Graph,
    node: Node,
    rule: Rule,
    values: Mapping[str, Any],
    defaults: Defaults,
    channels: tuple[int, int],
) -> Graph:
    """Return the graph with a convolution's node owning a block.

    The node keeps its name, slot, roles and place in its unit, or stands for the whole unit where
    the block has norm and activation of its own. Fields that the block and the convolution both
    have are the convolution's where the rule does not say them.

    Args:
        owner: the graph that holds the convolution.
        node: the convolution.
        rule: the rule that asks for it.
        values: the rule's fields at this site.
        defaults: norm and activation of the backbone.
        channels: channels that the convolution reads and gives.

    Raises:
        SpecError: if the block cannot stand there.
    """
    conv = node.body
    assert isinstance(conv, Conv2d) and isinstance(rule.target, type)
    target = rule.target
    assert issubclass(target, Block)
    _check_fields(rule, target, node.name, conv)
    shared = conv.model_dump() | {"width": channels[1]}
    known = {name: value for name, value in shared.items() if name in target.model_fields}
    block = make(rule, target, {**known, **values})
    assert isinstance(block, Block)
    graph, out = block.graph(channels[0], defaults)
    if out != channels[1] and "width" not in values:
        raise _misfit(rule, node.name, f"it gives {out} channels, the convolution {channels[1]}")
    inner = _within(graph, node.tags.slot or node.name)
    new = replace(node, body=inner).tagged(rule=rule.path, core=block.core)
    if block.core_norm is None:
        return swap(owner, node, new)
    unit = unit_of(owner, node)
    norm = next((n.name for n in unit if isinstance(n.body, BatchNorm)), None)
    roles = dict.fromkeys(role for member in unit for role in member.tags.roles)
    ends = unit[-1].tags.ends
    taken = None if norm is None else (block.core_norm, norm)
    return replace_unit(owner, unit, [new.tagged(roles=tuple(roles), ends=ends, core_norm=taken)])


def _check_fields(rule: Rule, target: type[Block], name: str, conv: Conv2d) -> None:
    """Refuse a block that cannot stride as the convolution does, or is square where that is not."""
    if conv.kernel_w is not None and "kernel_w" not in target.model_fields:
        raise _misfit(rule, name, "the convolution's kernel is not square, and its own is")
    for field, axis in (("stride", "space"), ("stride_t", "time")):
        stride = getattr(conv, field, 1)
        if stride > 1 and field not in target.model_fields:
            text = f"the convolution strides by {stride} in {axis}, and it has no `{field}`"
            raise _misfit(rule, name, text)


def _misfit(rule: Rule, name: str, text: str) -> SpecError:
    return error(
        rule,
        "bad-conversion",
        f"rule `{rule.name}` cannot put {rule.keys.to} in the place of {name}: {text}",
        f"matches {name}",
        "narrow `where`, or choose a block that takes and gives what the convolution does",
    )


def _within(graph: Graph, slot: str) -> Graph:
    """Return a block's graph with its slots under the convolution's: conv2.spatial.

    Roles are places of a backbone, which the convolution's own are; the block brings none.
    """

    def inner(node: Node) -> Node:
        body = _within(node.body, slot) if isinstance(node.body, Graph) else node.body
        tags = node.tags
        named = {
            key: f"{slot}.{value}"
            for key in ("slot", "unit", "ends")
            if (value := getattr(tags, key)) is not None
        }
        return replace(node, body=body).tagged(**named, roles=())

    return graph.with_nodes(tuple(map(inner, graph.nodes)))
