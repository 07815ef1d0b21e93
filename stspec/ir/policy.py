"""A policy rewrites the image model: convert, factorise, insert, and pool time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from stspec.blocks.base import Block
from stspec.diagnostics import Diagnostic, Label, SpecError
from stspec.graph import Graph, Node, Tags
from stspec.graph.model import channel_map
from stspec.ir.defaults import backbone_defaults
from stspec.ir.edit import edit_owner, free_name, insert_after, insert_before, insert_entry, swap
from stspec.ir.factorise import factorise
from stspec.ir.nothing import matches_nothing
from stspec.ir.pooling import pool_time
from stspec.ir.select import FAMILIES, Site, matches, sites
from stspec.ops.base import Op
from stspec.ops.twins import ClipTwin, clip_twin
from stspec.schema.models import Selector
from stspec.schema.spec import Each, Rule, Spec

Edit = Callable[[Graph, Node], Graph]


def apply_policy(spec: Spec, graph: Graph) -> Graph:
    """Return the graph with all rules applied in order, then time pooled.

    Raises:
        SpecError: if a rule matches nothing, or what it matches cannot be what it asks for.
    """
    for rule in spec.rules:
        graph = _convert(spec, rule, graph) if rule.keys.to else _insert(spec, rule, graph)
    return pool_time(spec, graph)


def _convert(spec: Spec, rule: Rule, graph: Graph) -> Graph:
    assert rule.keys.where is not None
    found = [s for s in _found(rule.keys.where, graph) if isinstance(s.node.body, Op)]
    if rule.keys.where.op is None:
        # Without a word on operators, a rule on the way to a convolution means convolutions.
        found = [s for s in found if _alike(s.node.body, rule.target)]
    if not found:
        raise matches_nothing(rule, rule.keys.where, graph)
    for site, values in zip(found, _values_along(rule, found), strict=True):
        if rule.target == "conv2plus1d":
            edit = _factorising(spec, rule, values)
        else:
            edit = _converting(rule, values)
        graph = edit_owner(graph, site.path, edit)
    return graph


def _alike(body: object, target: object) -> bool:
    for family in FAMILIES.values():
        if target == "conv2plus1d":
            return isinstance(body, FAMILIES["conv"])
        if target is ClipTwin:
            return isinstance(body, tuple(FAMILIES.values()))
        if isinstance(target, type) and issubclass(target, family):
            return isinstance(body, family)
    return isinstance(target, type) and isinstance(body, target)


def _converting(rule: Rule, values: Mapping[str, Any]) -> Edit:
    def edit(owner: Graph, node: Node) -> Graph:
        assert isinstance(node.body, Op) and isinstance(rule.target, type)
        target = clip_twin(node.body) if rule.target is ClipTwin else rule.target
        fields = {k: v for k, v in node.body.model_dump().items() if k in target.model_fields}
        body = _make(rule, target, {**fields, **values})
        assert isinstance(body, Op)
        return swap(owner, node, replace(node, body=body).tagged(rule=rule.path))

    return edit


def _factorising(spec: Spec, rule: Rule, values: Mapping[str, Any]) -> Edit:
    defaults = backbone_defaults(spec)

    def edit(owner: Graph, node: Node) -> Graph:
        return factorise(owner, node, rule, values, defaults)

    return edit


def _make(rule: Rule, target: type[Op] | type[Block], values: Mapping[str, Any]) -> Op | Block:
    try:
        return target(**values)
    except ValidationError as error:
        first = error.errors()[0]
        text = str(first.get("ctx", {}).get("error", first["msg"]))
        raise SpecError(
            Diagnostic(
                "bad-value",
                f"rule '{rule.name}' makes an impossible {target.kind}: {text}",
                (Label(rule.node.span, "this rule"),),
            )
        ) from error


def _insert(spec: Spec, rule: Rule, graph: Graph) -> Graph:
    assert rule.keys.at is not None
    found = [(s, side) for s in _found(rule.keys.at, graph) if (side := _side(rule.keys.at, s))]
    if not found:
        raise matches_nothing(rule, rule.keys.at, graph)
    values = _values_along(rule, [site for site, _ in found])
    channels = channel_map(graph, [spec.model.clip.channels])
    for (site, side), fields in zip(found, values, strict=True):
        body = _body(spec, rule, fields, _channels_at(site, side, channels))
        graph = edit_owner(graph, site.path, _inserting(rule, side, body))
    return graph


def _channels_at(site: Site, side: str, channels: Mapping[str, int]) -> int:
    if side in ("input", "entry"):
        owner = site.path.rpartition(".")[0]
        return channels[f"{owner}.{site.node.inputs[0]}" if owner else site.node.inputs[0]]
    return channels[site.path]


def _side(selector: Selector, site: Site) -> str | None:
    """Return the edge of a matched node that is meant, or None where it is not a place."""
    tags = site.node.tags
    if selector.role is not None:
        return next((side for role, side in tags.roles if role in selector.role), None)
    if not isinstance(site.node.body, Op) or (selector.slot is None and selector.op is None):
        return None
    if selector.point == "input":
        return "input"
    is_unit = tags.slot is not None and selector.point != "raw"
    return "unit" if is_unit else "output"


def _inserting(rule: Rule, side: str, body: Op | Graph) -> Edit:
    def edit(owner: Graph, node: Node) -> Graph:
        if side == "unit":
            node = next((n for n in owner.nodes if n.tags.ends == node.tags.slot), node)
        beside_graph = isinstance(node.body, Graph) and side != "entry"
        name = f"{node.name}_{rule.name}" if beside_graph else rule.name
        new = Node(free_name(owner, name), body, (), Tags(rule=rule.path, stage=node.tags.stage))
        return INSERTS[side](owner, node, new)

    return edit


INSERTS = {
    "input": insert_before,
    "entry": insert_entry,
    "output": insert_after,
    "unit": insert_after,
}


def _body(spec: Spec, rule: Rule, values: Mapping[str, Any], channels: int) -> Op | Graph:
    assert isinstance(rule.target, type)
    made = _make(rule, rule.target, values)
    if isinstance(made, Op):
        return made
    graph, _ = made.graph(channels, backbone_defaults(spec))
    return graph


def _values_along(rule: Rule, found: list[Site]) -> list[dict[str, Any]]:
    """Return the rule's fields for every site, parameters that run along sites resolved."""
    counts: Counter[int | None] = Counter()
    values = []
    for total, site in enumerate(found):
        index = counts[site.stage]
        counts[site.stage] += 1
        values.append(
            {
                name: value.values[(index if value.over == "stage" else total) % len(value.values)]
                if isinstance(value, Each)
                else value
                for name, value in rule.values.items()
            }
        )
    return values


def _found(selector: Selector, graph: Graph) -> list[Site]:
    return [site for site in sites(graph) if matches(selector, site)]
