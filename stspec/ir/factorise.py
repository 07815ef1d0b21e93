"""A convolution of space and time as two: S3D (Xie et al., 2018), R(2+1)D (Tran et al., 2018)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stspec.graph import Defaults, Graph, Node, Tags
from stspec.ir.edit import free_name, replace_unit, swap, unit_of
from stspec.ir.rule import error
from stspec.ops.activation import Activation
from stspec.ops.conv import Conv2d, Conv3d
from stspec.ops.norm import BatchNorm
from stspec.schema.spec import Rule


def factorise(
    owner: Graph,
    node: Node,
    rule: Rule,
    values: Mapping[str, Any],
    defaults: Defaults,
    arriving: int,
    width: int,
) -> Graph:
    """Let a unit be followed, or led, by a temporal one; norm and activation between them.

    A unit of convolution, norm and activation becomes the same unit with ``conv_t``, its norm
    and its activation behind it. Where the unit ends without activation, as in front of a sum,
    the spatial part gets one and the temporal part ends the unit.

    Args:
        owner: the graph that holds the unit.
        node: the unit's convolution.
        rule: the rule that asks for it.
        values: the rule's fields at this site.
        defaults: norm and activation of the backbone.
        arriving: channels that the convolution reads, or its block where widths go by blocks.
        width: channels that the convolution gives out.

    Raises:
        SpecError: if no inner width is what the rule asks for.
    """
    conv = node.body
    assert isinstance(conv, Conv2d)
    slot = node.tags.unit
    unit = unit_of(owner, node)
    ends = any(n.tags.ends == slot for n in unit)
    norm = next((n for n in unit if isinstance(n.body, BatchNorm)), None)
    front = _norm_in_front(owner, node) if len(unit) == 1 else None
    act = next((n for n in unit if isinstance(n.body, Activation)), None)
    if values.get("first") == "temporal":
        return _temporal_first(owner, unit, rule, values, defaults, (arriving, width))
    middle = _inner_width(rule, conv, values, arriving, width)
    spatial = conv if middle is None else conv.model_copy(update={"width": middle})
    temporal = Conv3d(
        width=None if conv.width is None and middle is None else width,
        kernel_t=values.get("kernel_t", 3),
        groups="depthwise" if _is_depthwise(conv, values) else 1,
        bias=values.get("bias", False),
    )
    names = _names(owner, unit, norm is not None, act is not None)
    where = Tags(pathway=node.tags.pathway, value=node.tags.value)
    second, its_unit = f"{node.tags.slot or node.name}_t", f"{slot or node.name}_t"
    tags = replace(where, slot=second, unit=its_unit, rule=rule.path)
    inner = act.body if act is not None else defaults.activation()
    made: list[Node] = [replace(node, body=spatial).tagged(rule=rule.path)]
    if norm is not None:
        made.append(_inner_norm(norm, values).tagged(ends=None))
    if front is not None:
        name = free_name(owner, f"{front.name}_t")
        body = _inner_norm(front, values).body
        made.append(_chain(made, name, body, replace(where, unit=slot, rule=rule.path)))
    made.append(_chain(made, names["act"], inner, replace(where, unit=slot)))
    made.append(_chain(made, names["conv_t"], temporal, tags))
    rest = replace(tags, slot=None)
    if norm is not None:
        made.append(_chain(made, names["norm_t"], norm.body, rest))
    if act is not None:
        made.append(_chain(made, names["act_t"], act.body, rest))
    if ends:
        roles = tuple(role for role in unit[-1].tags.roles if role[1] != "input")
        made[-1] = made[-1].tagged(ends=slot, roles=roles)
        first = _without_end(made[0]) if len(unit) == 1 else made[0].tagged(ends=None)
        made[:-1] = [first, *map(_without_end, made[1:-1])]
    return replace_unit(owner, unit, made)


def _temporal_first(
    owner: Graph,
    unit: list[Node],
    rule: Rule,
    values: Mapping[str, Any],
    defaults: Defaults,
    widths: tuple[int, int],
) -> Graph:
    """Put a temporal convolution, norm and activation in front of a unit."""
    node = unit[0]
    conv, tags = node.body, node.tags
    assert isinstance(conv, Conv2d)
    arriving, width = widths
    temporal = Conv3d(
        width=_inner_width(rule, conv, values, arriving, width) or width,
        kernel_t=values.get("kernel_t", 3),
        groups="depthwise" if _is_depthwise(conv, values) else 1,
        bias=values.get("bias", False),
    )
    norm = next((n for n in unit if isinstance(n.body, BatchNorm)), None)
    norm = norm or _norm_in_front(owner, node)
    act = next((n.body for n in unit if isinstance(n.body, Activation)), defaults.activation())
    base = f"conv{node.name}" if node.name.isdigit() else node.name
    its_unit = f"{tags.unit or node.name}_t"
    where = Tags(pathway=tags.pathway, value=tags.value, unit=its_unit, rule=rule.path)
    entries = tuple(role for role in tags.roles if role[1] == "input")
    first = replace(where, slot=f"{tags.slot or node.name}_t", roles=entries)
    made = [Node(free_name(owner, f"{base}_t"), temporal, node.inputs, first)]
    if norm is not None:
        named = f"{base}_norm_t" if norm.name.isdigit() else f"{norm.name}_t"
        made.append(_chain(made, free_name(owner, named), _inner_norm(norm, values).body, where))
    end = replace(where, ends=its_unit)
    made.append(_chain(made, free_name(owner, f"{base}_relu_t"), act, end))
    spatial = replace(
        node,
        body=conv.model_copy(update={"width": width}),
        inputs=(made[-1].name,),
    )
    roles = tuple(role for role in tags.roles if role[1] != "input")
    return swap(owner, node, *made, spatial.tagged(rule=rule.path, roles=roles))


def _inner_width(
    rule: Rule, conv: Conv2d, values: Mapping[str, Any], arriving: int, width: int
) -> int | None:
    """Return the channels between the two convolutions; None for as many as come out.

    To match is to have as many weights as the 3D convolution (Tran et al., CVPR 2018): M of
    k*k*I*M + t*M*O = t*k*k*I*O, rounded down, for I channels in, O out and t frames.
    """
    asked = values.get("width", "out")
    if asked == "out" or isinstance(asked, int):
        return None if asked == "out" else int(asked)
    if _is_depthwise(conv, values):
        raise error(
            rule,
            "bad-conversion",
            f"rule `{rule.name}` matches widths of depth-wise convolutions, which keep theirs",
            f"{rule.keys.to} of depth-wise convolutions",
            "say `width: out`",
        )
    time, groups = int(values.get("kernel_t", 3)), conv.group_count(arriving)
    area = math.prod(conv.sides)
    # Groups divide the weights of the 3D convolution and of the spatial one alike.
    per_channel = area * arriving + time * width * groups
    if values.get("first") == "temporal":
        per_channel = time * arriving * groups + area * width
    return max(groups, time * area * arriving * width // per_channel // groups * groups)


def _inner_norm(norm: Node, values: Mapping[str, Any]) -> Node:
    """Return a unit's norm as it stands between the two convolutions."""
    eps = values.get("inner_eps")
    assert isinstance(norm.body, BatchNorm)
    return norm if eps is None else replace(norm, body=norm.body.model_copy(update={"eps": eps}))


def _is_depthwise(conv: Conv2d, values: Mapping[str, Any]) -> bool:
    asked: bool | None = values.get("depthwise")
    return conv.groups == "depthwise" if asked is None else asked


def _norm_in_front(owner: Graph, node: Node) -> Node | None:
    """Return the norm of a convolution whose norm and activation stand in front of it."""
    above: list[Node] = []
    for kind in (Activation, BatchNorm):
        reader = above[-1] if above else node
        found = next((n for n in owner.nodes if n.name in reader.inputs), None)
        if found is None or not isinstance(found.body, kind) or found.tags.unit is not None:
            return None
        above.append(found)
    return above[-1]


def _without_end(node: Node) -> Node:
    roles = tuple(role for role in node.tags.roles if role[1] == "input")
    return node.tagged(ends=None, roles=roles)


def _chain(made: list[Node], name: str, body: Any, tags: Tags) -> Node:
    return Node(name, body, (made[-1].name,), tags)


def _names(owner: Graph, unit: list[Node], norm: bool, act: bool) -> dict[str, str]:
    """Name the new nodes: conv1_t beside conv1; the next numbers at a numbered sequence's end."""
    numbers = _numbers(unit, norm, act)
    others = {n.name for n in owner.nodes} - {n.name for n in unit}
    if numbers and others.isdisjoint(numbers.values()):
        return numbers
    conv = f"conv{unit[0].name}" if numbers else unit[0].name
    names = {"act": f"{conv}_relu", "conv_t": f"{conv}_t", "act_t": f"{conv}_relu_t"}
    if norm:
        names["norm_t"] = f"{conv}_norm_t" if numbers else f"{unit[1].name}_t"
    if act:
        names["act"] = unit[-1].name
        if not numbers:
            names["act_t"] = f"{unit[-1].name}_t"
    kept = names["act"] if act else None
    return {k: name if name == kept else free_name(owner, name) for k, name in names.items()}


def _numbers(unit: list[Node], norm: bool, act: bool) -> dict[str, str]:
    """Return the numbers that follow a unit of a sequence, or nothing where it has names."""
    if not unit[0].name.isdigit():
        return {}
    start = int(unit[0].name) + len(unit) - int(act)
    keys = ["act", "conv_t", *(["norm_t"] if norm else []), *(["act_t"] if act else [])]
    return {key: str(start + i) for i, key in enumerate(keys)}
