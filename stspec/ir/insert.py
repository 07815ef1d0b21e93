"""Rules with ``insert``: an operator or a block on an edge of the backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stspec.graph import Graph, Node, Tags
from stspec.graph.model import channel_map
from stspec.ir.defaults import backbone_defaults
from stspec.ir.edit import Edit, edit_owner, free_name, insert_after, insert_before, insert_entry
from stspec.ir.nothing import matches_nothing
from stspec.ir.rule import check_bounds, error, found_by, make, values_along
from stspec.ir.select import Site
from stspec.ops.base import Op, ShapeError
from stspec.ops.norm import BatchNorm
from stspec.schema.models import Selector
from stspec.schema.spec import Pathway, Rule, Spec


def insert(spec: Spec, pathway: Pathway, rule: Rule, graph: Graph, edits: int) -> tuple[Graph, int]:
    """Return the graph with a rule's operator inserted at its sites, and their number.

    Raises:
        SpecError: if the rule matches nothing, or its operator does not fit there.
    """
    at = rule.keys.at
    assert at is not None
    found = [
        (site, side) for site in found_by(at, graph, pathway.name) for side in _sides(at, site)
    ]
    if not found:
        raise matches_nothing(rule, at, graph, pathway.name)
    check_bounds(rule, edits + len(found))
    values = values_along(rule, [site for site, _ in found])
    channels = channel_map(graph, [spec.model.clip.shape.channels])
    for (site, side), fields in zip(found, values, strict=True):
        body = _body(pathway, rule, fields, channels[_read_at(graph, site, side)])
        graph = edit_owner(graph, site.path, _inserting(rule, side, body))
    return graph, len(found)


def _sides(selector: Selector, site: Site) -> list[str]:
    """Return the edges of a matched node that are meant; none where it is not a place."""
    tags = site.node.tags
    is_unit = tags.slot is not None
    if selector.role is not None:
        sides = dict.fromkeys(side for role, side in tags.roles if role in selector.role)
        return ["unit" if side == "output" and is_unit else side for side in sides]
    if not (is_unit or isinstance(site.node.body, Op)):
        return []
    if selector.slot is None and selector.op is None:
        return []
    if selector.point == "input" or (selector.point == "norm" and is_unit):
        return [selector.point]
    return ["unit" if is_unit and selector.point != "raw" else "output"]


def _read_at(graph: Graph, site: Site, side: str) -> str:
    """Return the path of the value that what is inserted reads."""
    *owners, name = site.path.split(".")
    owner = graph
    for part in owners:
        body = owner.node(part).body
        assert isinstance(body, Graph)
        owner = body
    if side in ("input", "entry"):
        name = owner.node(name).inputs[0]
    elif side in UNITS:
        name = UNITS[side](owner, owner.node(name)).name
    return ".".join((*owners, name))


def unit_end(owner: Graph, node: Node) -> Node:
    """Return the last node of a convolution's unit."""
    if node.tags.unit is None:
        return node
    return next((n for n in owner.nodes if n.tags.ends == node.tags.unit), node)


def unit_norm(owner: Graph, node: Node) -> Node:
    """Return the norm of a convolution's unit, or the convolution where it has none."""
    unit = node.tags.unit
    norms = (n for n in owner.nodes if isinstance(n.body, BatchNorm) and n.tags.unit == unit)
    return next(norms, node)


UNITS = {"norm": unit_norm, "unit": unit_end}


def _inserting(rule: Rule, side: str, body: Op | Graph) -> Edit:
    def edit(owner: Graph, node: Node) -> Graph:
        if side in UNITS:
            node = UNITS[side](owner, node)
        beside_graph = isinstance(node.body, Graph) and side != "entry" and not node.tags.slot
        name = f"{node.name}_{rule.name}" if beside_graph else pathway_prefix(node) + rule.name
        new = Node(free_name(owner, name), body, (), beside(node, rule.path))
        return INSERTS[side](owner, node, new)

    return edit


def pathway_prefix(node: Node) -> str:
    """Return what stands in front of the names of a pathway's nodes."""
    return f"{node.tags.pathway}_" if node.tags.pathway else ""


def beside(node: Node, rule: str) -> Tags:
    """Return the tags of what a rule puts beside a node: its stage and its pathway."""
    tags = node.tags
    value = tags.value if tags.pathway else None
    return Tags(rule=rule, stage=tags.stage, pathway=tags.pathway, value=value)


INSERTS = {
    "input": insert_before,
    "entry": insert_entry,
    "output": insert_after,
    "norm": insert_after,
    "unit": insert_after,
}


def _body(pathway: Pathway, rule: Rule, values: Mapping[str, Any], channels: int) -> Op | Graph:
    assert isinstance(rule.target, type)
    made = make(rule, rule.target, values)
    if isinstance(made, Op):
        return made
    try:
        graph, _ = made.graph(channels, backbone_defaults(pathway.backbone))
    except ShapeError as refused:
        message = f"rule `{rule.name}` cannot put {made.kind} there: {refused}"
        raise error(rule, "impossible-shape", message, "inserted here") from refused
    return graph
