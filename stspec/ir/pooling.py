"""Temporal pooling beside the spatial poolings of a backbone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from stspec.diagnostics import Diagnostic, Label, SpecError
from stspec.graph import Graph, Node, Tags
from stspec.ir.edit import edit_owner, free_name, insert_after, insert_before, swap
from stspec.ir.insert import unit_end
from stspec.ir.select import Site, sites
from stspec.ops.conv import Conv2d, Conv3d
from stspec.ops.pool import AvgPool3d, MaxPool3d, Pool2d, Pool3d, TemporalAvgPool, TemporalMaxPool
from stspec.schema.models import Pooling
from stspec.schema.spec import Spec
from stspec.source.nodes import Mapping


def pool_time(spec: Spec, graph: Graph) -> Graph:
    """Pool time beside the spatial poolings that the policy names.

    Raises:
        SpecError: if the backbone has no such pooling, or cannot realise it jointly.
    """
    pooling = spec.policy.pooling
    if pooling == "none":
        return graph
    for number, level in enumerate(pooling.beside, 1):
        role = f"spatial_pool_{level}"
        site = next((s for s in sites(graph) if _has(s.node, role)), None)
        if site is None:
            raise _error(
                spec,
                "beside",
                f"the backbone has no spatial pooling {level}",
                f"it has {_levels(graph)}",
            )
        if pooling.realise == "separate":
            graph = edit_owner(graph, site.path, partial(_separate, pooling, number))
        else:
            graph = _joint(spec, graph, site, pooling)
    return graph


def _has(node: Node, role: str) -> bool:
    return any(name == role for name, _ in node.tags.roles)


def _levels(graph: Graph) -> str:
    roles = {role for site in sites(graph) for role, _ in site.node.tags.roles}
    return ", ".join(sorted(r.rpartition("_")[2] for r in roles if r.startswith("spatial_pool_")))


def _error(spec: Spec, key: str, message: str, help: str | None) -> SpecError:
    policy = spec.tree.get("policy")
    node = policy.get("pooling") if isinstance(policy, Mapping) else None
    at = node.get(key) if isinstance(node, Mapping) else None
    where = at or node or spec.tree
    return SpecError(
        Diagnostic("bad-pooling", message, (Label(where.span, "asked for here"),), help)
    )


def _separate(pooling: Pooling, number: int, owner: Graph, node: Node) -> Graph:
    """Insert a pool of its own: behind a pooling layer or the stem, in front of a strided stage."""
    cls = TemporalMaxPool if pooling.op == "max" else TemporalAvgPool
    op = cls(kernel=pooling.kernel, stride=pooling.stride)
    name = free_name(owner, f"t_pool{number}")
    is_stage = isinstance(node.body, Graph) and node.tags.slot is None
    if is_stage and node.inputs[0] not in owner.inputs:
        # It belongs to the stage whose results it pools.
        before = [n.tags.stage for n in owner.nodes if n.name == node.inputs[0]]
        tags = Tags(rule="pooling", stage=before[0] if before else node.tags.stage)
        return insert_before(owner, node, Node(name, op, (), tags))
    node = unit_end(owner, node)
    tags = Tags(rule="pooling", stage=node.tags.stage)
    return insert_after(owner, node, Node(name, op, (), tags))


def _joint(spec: Spec, graph: Graph, site: Site, pooling: Pooling) -> Graph:
    """Give a temporal stride to everything at a site that strides in space."""
    if not isinstance(site.node.body, Graph):
        return edit_owner(graph, site.path, partial(_stride, spec, site.path, pooling))
    inside = [s for s in sites(graph) if s.path.startswith(site.path + ".") and _strides(s.node)]
    if not inside:
        raise _error(spec, "beside", f"nothing strides in '{site.path}'", None)
    for found in inside:
        graph = edit_owner(graph, found.path, partial(_stride, spec, found.path, pooling))
    return graph


def _strides(node: Node) -> bool:
    return isinstance(node.body, Conv2d | Pool2d) and node.body.stride > 1


def _stride(spec: Spec, path: str, pooling: Pooling, owner: Graph, node: Node) -> Graph:
    # A factorised convolution strides in time where it looks along time.
    slot = f"{node.tags.slot or node.name}_t"
    partner = next((n for n in owner.nodes if n.tags.slot == slot), node)
    body = partner.body
    if isinstance(body, Pool3d) and body.ceil_mode:
        raise _error(
            spec,
            "realise",
            f"{path} rounds up in space, so it would in time",
            "convert it with ceil_mode: false first, or use realise: separate",
        )
    if isinstance(body, Conv3d | Pool3d):
        update: dict[str, object] = {"stride_t": pooling.stride}
        # A pool of one pixel skips positions, and skips frames then.
        looks = isinstance(body, Pool3d) and body.kernel > 1
        if looks and body.kernel_t == 1 and pooling.kernel > 1:
            padding = 0 if body.padding == "same" else (pooling.kernel - 1) // 2
            update |= {"kernel_t": pooling.kernel, "padding_t": padding}
        new = body.model_copy(update=update)
        if isinstance(body, MaxPool3d) and pooling.op == "avg":
            if body.padding == "same":
                raise _error(spec, "op", f"{path} pads by its input's size, as maxima do", None)
            new = AvgPool3d(**new.model_dump())
        return swap(owner, partner, replace(partner, body=new).tagged(rule="pooling"))
    raise _error(
        spec,
        "realise",
        f"{path} looks at single frames and cannot stride in time",
        "use realise: separate, or convert it to 3D first",
    )
