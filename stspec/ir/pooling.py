"""Temporal pooling beside the spatial poolings of a backbone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from stspec.diagnostics import Diagnostic, Label, SpecError
from stspec.graph import Graph, Node
from stspec.graph.model import walk
from stspec.ir.edit import edit_owner, edit_owners, free_name, insert_after, insert_before, swap
from stspec.ir.insert import beside, pathway_prefix, unit_end
from stspec.ir.select import nodes_of
from stspec.ops.conv import Conv2d, Conv3d
from stspec.ops.pool import AvgPool3d, MaxPool3d, Pool2d, Pool3d, TemporalAvgPool, TemporalMaxPool
from stspec.schema.models import Pooling
from stspec.schema.pathways import Pathway, place_of
from stspec.schema.spec import Spec
from stspec.source.nodes import Mapping
from stspec.source.nodes import Node as TreeNode

Fail = Callable[[str, str, str | None], SpecError]


def pool_time(spec: Spec, pathway: Pathway, graph: Graph) -> Graph:
    """Pool time beside the spatial poolings that a pathway's policy names.

    Raises:
        SpecError: if the backbone has no such pooling, cannot realise it jointly, or heeds no
            kernel though one is given.
    """
    pooling = pathway.policy.pooling
    fail = partial(_error, spec, pathway)
    if pooling == "none":
        return graph
    pooled = _pool(fail, pathway, graph, pooling)
    default = pooling.model_copy(update={"kernel": Pooling.model_fields["kernel"].default})
    if pooling != default and pooled == _pool(fail, pathway, graph, default):
        raise fail(
            "kernel",
            "a kernel has no effect here: what strides in space strides in time, and keeps its own",
            "leave it out, or use realise: separate, whose pools have it",
        )
    return pooled


def _pool(fail: Fail, pathway: Pathway, graph: Graph, pooling: Pooling) -> Graph:
    for number, level in enumerate(pooling.beside, 1):
        role = f"spatial_pool_{level}"
        found = ((p, n) for p, n in nodes_of(graph, pathway.name) if _has(n, role))
        path, node = next(found, (None, None))
        if path is None or node is None:
            told = f"it has {_levels(graph, pathway.name)}"
            raise fail("beside", f"the backbone has no spatial pooling {level}", told)
        if pooling.realise == "separate":
            graph = edit_owner(graph, path, partial(_separate, pooling, number))
        else:
            graph = _joint(fail, graph, path, node, pooling)
    return graph


def _has(node: Node, role: str) -> bool:
    return any(name == role for name, _ in node.tags.roles)


def _levels(graph: Graph, pathway: str | None) -> str:
    roles = {role for _, node in nodes_of(graph, pathway) for role, _ in node.tags.roles}
    return ", ".join(sorted(r.rpartition("_")[2] for r in roles if r.startswith("spatial_pool_")))


def _error(spec: Spec, pathway: Pathway, key: str, message: str, help: str | None) -> SpecError:
    where: TreeNode = spec.tree
    for name in (*place_of(pathway.name), "policy", "pooling", key):
        found = where.get(name) if isinstance(where, Mapping) else None
        where = found or where
    return SpecError(
        Diagnostic("bad-pooling", message, (Label(where.span, "asked for here"),), help)
    )


def _separate(pooling: Pooling, number: int, owner: Graph, node: Node) -> Graph:
    """Insert a pool of its own: behind a pooling layer or the stem, in front of a strided stage."""
    cls = TemporalMaxPool if pooling.op == "max" else TemporalAvgPool
    op = cls(kernel=pooling.kernel, stride=pooling.stride)
    name = free_name(owner, f"{pathway_prefix(node)}t_pool{number}")
    is_stage = isinstance(node.body, Graph) and node.tags.slot is None
    if is_stage and node.inputs[0] not in owner.inputs:
        # It belongs to the stage whose results it pools.
        before = [n.tags.stage for n in owner.nodes if n.name == node.inputs[0]]
        tags = replace(beside(node, "pooling"), stage=before[0] if before else node.tags.stage)
        return insert_before(owner, node, Node(name, op, (), tags))
    node = unit_end(owner, node)
    tags = beside(node, "pooling")
    return insert_after(owner, node, Node(name, op, (), tags))


def _joint(fail: Fail, graph: Graph, path: str, node: Node, pooling: Pooling) -> Graph:
    """Give a temporal stride to everything at a site that strides in space."""
    if not isinstance(node.body, Graph):
        return edit_owner(graph, path, partial(_stride, fail, path, pooling))
    inside = [inner for inner, n in walk(node.body, path + ".") if _strides(n)]
    if not inside:
        raise fail("beside", f"nothing strides in `{path}`", None)
    return edit_owners(graph, {p: partial(_stride, fail, p, pooling) for p in inside})


def _strides(node: Node) -> bool:
    return isinstance(node.body, Conv2d | Pool2d) and node.body.stride > 1


def _stride(fail: Fail, path: str, pooling: Pooling, owner: Graph, node: Node) -> Graph:
    # A factorised convolution strides in time where it looks along time.
    slot = f"{node.tags.slot or node.name}_t"
    partners = (n for n in owner.nodes if n.tags.pathway == node.tags.pathway)
    partner = next((n for n in partners if n.tags.slot == slot), node)
    body = partner.body
    if isinstance(body, Pool3d) and body.ceil_mode:
        raise fail(
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
                raise fail("op", f"{path} pads by its input's size, as maxima do", None)
            new = AvgPool3d(**new.model_dump())
        return swap(owner, partner, replace(partner, body=new).tagged(rule="pooling"))
    raise fail(
        "realise",
        f"{path} looks at single frames and cannot stride in time",
        "use realise: separate, or convert it to 3D first",
    )
