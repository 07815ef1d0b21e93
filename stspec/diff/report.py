"""A diff as plain values for JSON: a stable schema, written down in ``schema.json`` beside this.

Keys may be added under the same version; a key that goes or changes its meaning raises it.
"""

from __future__ import annotations

import json
from typing import Any

from stspec.diff.costs import NOTES
from stspec.diff.edits import (
    Change,
    Edit,
    Insert,
    Place,
    Ports,
    Recast,
    Remove,
    Rename,
    Rewire,
)
from stspec.diff.fills import Share, Tensor, shares
from stspec.diff.groups import Group
from stspec.diff.model import Diff, Side
from stspec.graph import Graph, Node
from stspec.ops.base import Op

VERSION = 1


def render_json(diff: Diff) -> str:
    """Return a diff as JSON."""
    return json.dumps(to_plain(diff), indent=2, ensure_ascii=False)


def to_plain(diff: Diff) -> dict[str, Any]:
    """Return a diff as plain values."""
    return {
        "version": VERSION,
        "empty": diff.empty,
        "a": _side(diff.a),
        "b": _side(diff.b),
        "policy": [
            {"key": f.key, "title": f.title, "a": f.a, "b": f.b, "same": f.same}
            for f in diff.policy
        ],
        "structure": _structure(diff),
        "costs": [
            {"key": q.key, "title": q.title.strip(), "unit": q.unit, "a": q.a, "b": q.b}
            for q in diff.costs
        ],
        "checkpoints": {
            "a_fills_b": _shares(shares(diff.tensors)),
            "b_fills_a": _shares(shares(diff.tensors, back=True)),
            "tensors": [_tensor(tensor) for tensor in diff.tensors if not tensor.same],
        },
        "notes": list(NOTES),
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "name": side.name,
        "label": side.label,
        "backbone": side.backbone,
        "operators": side.operators,
    }


def _structure(diff: Diff) -> dict[str, Any]:
    return {
        "matched": diff.matched,
        "removed": diff.removed,
        "inserted": diff.inserted,
        "stages": [{"stage": s.number, "a": s.a, "b": s.b} for s in diff.stages],
        "groups": [_group(group) for group in diff.groups],
        "edits": [_edit(edit) for edit in diff.edits],
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "sign": group.sign,
        "subject": group.subject,
        "text": group.text,
        "before": group.before,
        "after": group.after,
        "relation": group.relation,
        "landmarks": list(group.landmarks),
        "blocks": {
            "count": group.coverage.count,
            "total": group.coverage.total,
            "noun": group.coverage.noun,
            "stages": list(group.coverage.stages),
        },
        "sites": [_place(place) for place in group.sites],
    }


def _place(place: Place) -> dict[str, str]:
    return {"a": place.a, "b": place.b}


def _edit(edit: Edit) -> dict[str, Any]:
    kind: dict[str, Any] = {"edit": type(edit).__name__.lower()}
    match edit:
        case Insert() | Remove():
            return kind | {
                "owner": _place(edit.owner),
                "index": edit.index,
                "node": _node(edit.node),
            }
        case Change():
            return {
                **kind,
                "place": _place(edit.place),
                "before": _op(edit.before),
                "after": _op(edit.after),
            }
        case Rewire():
            return {
                **kind,
                "place": _place(edit.place),
                "before": list(edit.before),
                "after": list(edit.after),
            }
        case Ports():
            return {
                **kind,
                "owner": _place(edit.owner),
                "before": _ports(edit.before),
                "after": _ports(edit.after),
            }
        case Rename() | Recast():
            return {
                **kind,
                "owner": _place(edit.owner),
                "before": edit.before,
                "after": edit.after,
            }


def _ports(ports: tuple[tuple[str, ...], str]) -> dict[str, Any]:
    return {"inputs": list(ports[0]), "output": ports[1]}


def _op(op: Op) -> dict[str, Any]:
    return {"kind": op.kind, "fields": op.model_dump()}


def _node(node: Node) -> dict[str, Any]:
    body = {"graph": _graph(node.body)} if isinstance(node.body, Graph) else {"op": _op(node.body)}
    return {"name": node.name, "inputs": list(node.inputs), **body}


def _graph(graph: Graph) -> dict[str, Any]:
    return {
        "kind": graph.kind,
        "inputs": list(graph.inputs),
        "output": graph.output,
        "nodes": [_node(node) for node in graph.nodes],
    }


def _shares(found: dict[str, Share]) -> list[dict[str, Any]]:
    return [
        {"how": how, "tensors": s.tensors, "elements": s.elements, "keys": list(s.keys)}
        for how, s in found.items()
    ]


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "key": tensor.key,
        "a": None if tensor.a is None else list(tensor.a),
        "b": None if tensor.b is None else list(tensor.b),
        "a_fills_b": tensor.forth,
        "b_fills_a": tensor.back,
        "inflation": {"a_fills_b": tensor.ways[0], "b_fills_a": tensor.ways[1]},
    }
