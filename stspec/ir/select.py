"""Selectors: which sites of a graph a rule means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from stspec.graph import Graph, Node
from stspec.graph.model import walk
from stspec.ops.base import Op
from stspec.ops.conv import Conv2d
from stspec.ops.pool import Pool2d
from stspec.schema.models import Every, Selector


class Site(NamedTuple):
    """A node with what it inherits from its owners."""

    path: str
    node: Node
    roles: frozenset[str]
    stage: int | None
    block: int | None
    pathway: str | None
    counts: Mapping[int | None, int]
    """How many blocks each stage of its pathway has."""


def sites_of(graph: Graph, pathway: str | None) -> list[Site]:
    """Return every node of one pathway, owners before what they own.

    None is the trunk, with the head behind it.
    """
    nodes = _own(graph, pathway)
    if not nodes:
        return []
    counts: dict[int | None, int] = {}
    found: list[Site] = []
    _gather(nodes, Site("", nodes[0], frozenset(), None, None, pathway, counts), found)
    for site in found:
        if site.block is not None:
            counts[site.stage] = max(counts.get(site.stage, 0), site.block + 1)
    return found


def nodes_of(graph: Graph, pathway: str | None) -> Iterator[tuple[str, Node]]:
    """Yield path and node of what `sites_of` returns, without what they inherit."""
    return walk(graph.with_nodes(_own(graph, pathway)))


def _own(graph: Graph, pathway: str | None) -> tuple[Node, ...]:
    return tuple(node for node in graph.nodes if node.tags.pathway == pathway)


def _gather(nodes: tuple[Node, ...], owner: Site, found: list[Site]) -> None:
    prefix = owner.path and f"{owner.path}."
    for node in nodes:
        tags = node.tags
        site = Site(
            prefix + node.name,
            node,
            owner.roles.union(role for role, _ in tags.roles) if tags.roles else owner.roles,
            owner.stage if tags.stage is None else tags.stage,
            owner.block if tags.block is None else tags.block,
            owner.pathway,
            owner.counts,
        )
        found.append(site)
        if isinstance(node.body, Graph):
            _gather(node.body.nodes, site, found)


def matches(selector: Selector, site: Site) -> bool:
    """Tell whether a site fulfils all conditions of a selector."""
    body = site.node.body
    return (
        (selector.role is None or not site.roles.isdisjoint(selector.role))
        and (selector.slot is None or site.node.tags.slot in selector.slot)
        and (selector.op is None or (isinstance(body, Op) and is_kind(body, selector.op)))
        and (selector.kernel is None or _kernel(body) in selector.kernel)
        and (selector.pointwise is None or _pointwise(body) == selector.pointwise)
        and (selector.depthwise is None or _depthwise(body) == selector.depthwise)
        and (selector.stages is None or site.stage in selector.stages)
        and (selector.blocks is None or _block_fits(selector.blocks, site))
        and (selector.exclude is None or not matches(selector.exclude, site))
    )


FAMILIES = {"conv": Conv2d, "pool": Pool2d}


def is_kind(op: Op, kinds: list[str]) -> bool:
    """Tell whether an operator is one of the kinds, or of a family: conv, pool."""
    families = tuple(FAMILIES[kind] for kind in kinds if kind in FAMILIES)
    return op.kind in kinds or isinstance(op, families)


def _kernel(body: Op | Graph) -> int | None:
    if isinstance(body, Conv2d):
        return max(body.sides)
    return body.space.kernel if isinstance(body, Pool2d) else None


def _pointwise(body: Op | Graph) -> bool | None:
    return body.space.kernel == 1 if isinstance(body, Conv2d) else None


def _depthwise(body: Op | Graph) -> bool | None:
    return body.groups == "depthwise" if isinstance(body, Conv2d) else None


def _block_fits(blocks: list[int] | Every, site: Site) -> bool:
    index = site.block
    if index is None:
        return False
    if isinstance(blocks, Every):
        return index >= blocks.start and (index - blocks.start) % blocks.every == 0
    return index in blocks or index - site.counts[site.stage] in blocks
