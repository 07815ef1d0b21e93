"""Rules with ``to``: an operator becomes another, a factorised pair, or a block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stspec.blocks.base import Block
from stspec.graph import Graph, Node
from stspec.graph.model import channel_map
from stspec.ir.defaults import backbone_defaults
from stspec.ir.edit import Edit, edit_owners, swap
from stspec.ir.factorise import factorise
from stspec.ir.frames import frames_at
from stspec.ir.nothing import matches_nothing
from stspec.ir.replace import replace_by_block
from stspec.ir.rule import check_bounds, error, make, values_along
from stspec.ir.select import FAMILIES, Site, matches, sites_of
from stspec.ops.base import Op
from stspec.ops.twins import ClipTwin, clip_twin
from stspec.schema.spec import Pathway, Rule, Spec


def convert(
    spec: Spec, pathway: Pathway, rule: Rule, graph: Graph, edits: int
) -> tuple[Graph, int]:
    """Return the graph with a rule's sites converted, and their number.

    Raises:
        SpecError: if the rule matches nothing, or what cannot be converted so.
    """
    where = rule.keys.where
    assert where is not None
    every = sites_of(graph, pathway.name)
    found = [s for s in every if isinstance(s.node.body, Op) and matches(where, s)]
    if where.op is None:
        # Without a word on operators, a rule on the way to a convolution means convolutions.
        found = [s for s in found if _alike(s.node.body, rule.target)]
    if not found:
        raise matches_nothing(rule, where, graph, pathway.name)
    check_bounds(rule, edits + len(found))
    channels = _channels(spec, graph) if _asks_channels(rule) else {}
    edits_at: dict[str, Edit] = {}
    alike: dict[tuple[int, tuple[int, int] | None], Edit] = {}
    for site, values in zip(found, values_along(rule, found), strict=True):
        _check_target(rule, site.node.body)
        asks_frames = values.get("kernel_t") == "all"
        is_resized = _is_block(rule.target) and "width" in values
        if asks_frames or is_resized:
            # Sites further up may by now give other frames and channels than they did.
            graph, edits_at = edit_owners(graph, edits_at), {}
        if asks_frames:
            values = {**values, **_all_frames(spec, graph, site)}
        if is_resized:
            channels = _channels(spec, graph)
        widths = None
        if rule.target == "conv2plus1d":
            widths = _widths(every, site, values, channels)
        elif _is_block(rule.target):
            widths = _around(site, channels)
        key = id(values), widths
        if key not in alike:
            alike[key] = _editing(pathway, rule, values, widths)
        edits_at[site.path] = alike[key]
    return edit_owners(graph, edits_at), len(found)


def _channels(spec: Spec, graph: Graph) -> dict[str, int]:
    return channel_map(graph, [spec.model.clip.shape.channels])


def _asks_channels(rule: Rule) -> bool:
    return rule.target == "conv2plus1d" or _is_block(rule.target)


def _is_block(target: object) -> bool:
    return isinstance(target, type) and issubclass(target, Block)


def _alike(body: object, target: object) -> bool:
    if target == "conv2plus1d" or _is_block(target):
        return isinstance(body, FAMILIES["conv"])
    for family in FAMILIES.values():
        if target is ClipTwin:
            return isinstance(body, tuple(FAMILIES.values()))
        if isinstance(target, type) and issubclass(target, family):
            return isinstance(body, family)
    return isinstance(target, type) and isinstance(body, target)


def _check_target(rule: Rule, body: Op | Graph) -> None:
    """Raise a SpecError where an operator cannot become what the rule asks for."""
    assert isinstance(body, Op)
    if rule.target in ("conv2plus1d", ClipTwin) or _is_block(rule.target):
        fits, wanted = _alike(body, rule.target), "convolutions"
        if rule.target is ClipTwin:
            wanted = "convolutions and poolings"
    else:
        assert isinstance(rule.target, type) and issubclass(rule.target, Op)
        fits = rule.target.arity == body.arity
        wanted = f"operators of {rule.target.arity or 'any number of'} input(s)"
    if not fits:
        raise error(
            rule,
            "bad-conversion",
            f"rule `{rule.name}` cannot turn {body.kind} into {rule.keys.to}",
            f"matches {body.kind}",
            f"{rule.keys.to} stands in the place of {wanted}",
        )


def _all_frames(spec: Spec, graph: Graph, site: Site) -> dict[str, int]:
    """Return kernel and padding of a convolution that spans all frames that arrive."""
    frames = frames_at(graph, [spec.model.clip.shape], site.path)
    return {"kernel_t": frames or 1, "padding_t": 0}


def _widths(
    every: list[Site], site: Site, values: Mapping[str, Any], channels: Mapping[str, int]
) -> tuple[int, int]:
    """Return the channels by which an inner width goes: what arrives, and what is given."""
    arriving, leaving = _around(site, channels)
    if values.get("width") == "match_block":
        *owners, _ = site.path.split(".")
        paths = {".".join(owners[:depth]) for depth in range(1, len(owners) + 1)}
        blocks = [s for s in every if s.path in paths and s.node.tags.block is not None]
        arriving = _around(blocks[-1], channels)[0] if blocks else arriving
    return arriving, leaving


def _around(site: Site, channels: Mapping[str, int]) -> tuple[int, int]:
    """Return the channels that a site's operator reads and gives."""
    scope = site.path.rpartition(".")[0]
    source = site.node.inputs[0]
    return channels[f"{scope}.{source}" if scope else source], channels[site.path]


def _editing(
    pathway: Pathway, rule: Rule, values: Mapping[str, Any], widths: tuple[int, int] | None
) -> Edit:
    """Return what converts one site: widths are None where an operator becomes another."""
    if widths is None:
        return _converting(rule, values)
    defaults = backbone_defaults(pathway.backbone)

    def edit(owner: Graph, node: Node) -> Graph:
        if rule.target == "conv2plus1d":
            return factorise(owner, node, rule, values, defaults, *widths)
        return replace_by_block(owner, node, rule, values, defaults, widths)

    return edit


def _converting(rule: Rule, values: Mapping[str, Any]) -> Edit:
    def edit(owner: Graph, node: Node) -> Graph:
        assert isinstance(node.body, Op) and isinstance(rule.target, type)
        target = clip_twin(node.body) if rule.target is ClipTwin else rule.target
        fields = {k: v for k, v in node.body.model_dump().items() if k in target.model_fields}
        body = make(rule, target, {**fields, **values})
        assert isinstance(body, Op)
        return swap(owner, node, replace(node, body=body).tagged(rule=rule.path))

    return edit
