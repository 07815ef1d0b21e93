"""What the tests of graphs share: a backbone with a policy, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from stspec.graph import Graph, Node
from stspec.graph.model import walk
from stspec.network import Network, load
from stspec.ops.base import Op, Shape

SIZE = 32
"""Side of the clips: the smallest power of two that all backbones take."""

BACKBONES = ("resnet18", "resnet50", "inceptionv1", "bninception", "mobilenetv2", "squeezenet")

CLIPS = {"where": {"op": ["conv", "pool"]}, "to": "3d"}
"""The rule that makes a network of clips of one of frames, and changes nothing else."""


def on(backbone: Any, policy: Any, *, frames: int = 8) -> Network:
    """Return a backbone, shipped or changed, with a policy, compiled."""
    clip = {"frames": frames, "size": SIZE}
    return load(
        {"stspec": 1, "backbone": backbone, "clip": clip, "policy": policy, "classes": 5},
    )


@cache
def plain(backbone: str, frames: int = 8) -> Network:
    """Return a shipped backbone without policy, compiled once."""
    return on(backbone, {}, frames=frames)


def convert(backbone: Any, where: Mapping[str, Any], **fields: Any) -> Network:
    """Return a backbone with one rule, `wide`, that converts; to 3D where no `to` is given."""
    rule = {"to": "conv3d", "kernel_t": 3} | fields
    return on(backbone, {"spatial": {"wide": {"where": dict(where), **rule}}})


def insert(backbone: Any, at: Mapping[str, Any], op: str = "tam", **fields: Any) -> Network:
    """Return a backbone with one rule, `new`, that inserts."""
    rule = {"insert": op, "at": dict(at), **fields}
    return on(backbone, {"temporal": {"new": rule}})


def made_by(network: Network, rule: str) -> list[str]:
    """Return the paths of the nodes that a rule made or changed, in order."""
    return [path for path, node in walk(network.graph) if node.tags.rule == rule]


def converted(backbone: Any, where: Mapping[str, Any], **fields: Any) -> list[str]:
    """Return the paths that a converting rule with this selector changes."""
    return made_by(convert(backbone, where, **fields), "spatial.wide")


def inserted(backbone: Any, at: Mapping[str, Any]) -> list[str]:
    """Return the paths of what is inserted at this selector's places."""
    return made_by(insert(backbone, at), "temporal.new")


def node(network: Network, path: str) -> Node:
    """Return a node by its path."""
    graph: Op | Graph = network.graph
    *owners, name = path.split(".")
    for owner in owners:
        assert isinstance(graph, Graph)
        graph = graph.node(owner).body
    assert isinstance(graph, Graph)
    return graph.node(name)


def reads(network: Network, path: str) -> tuple[str, ...]:
    """Return the names that a node reads in its scope."""
    return node(network, path).inputs


def op(network: Network, path: str) -> Any:
    """Return a node's operator, whose fields a test knows."""
    body = node(network, path).body
    assert isinstance(body, Op)
    return body


def names(network: Network, path: str) -> list[str]:
    """Return the names of the nodes within a block or a stage, in order."""
    body = node(network, path).body
    assert isinstance(body, Graph)
    return [inner.name for inner in body.nodes]


def outputs(network: Network) -> dict[str, Shape]:
    """Return the shape that every node gives out, by path."""
    return {fact.path: fact.output for fact in network.facts}


def frames_after(network: Network, *paths: str) -> list[int | None]:
    """Return the frames that nodes give out."""
    return [network.facts[path].output.frames for path in paths]


def assert_sound(graph: Graph) -> None:
    """Check that names are unique, and that every node reads what is further up and is read."""
    known = list(graph.inputs)
    for inner in graph.nodes:
        assert set(inner.inputs) <= set(known), inner.name
        assert inner.name not in known
        known.append(inner.name)
        arity = len(inner.body.inputs) if isinstance(inner.body, Graph) else inner.body.arity
        assert arity is None or len(inner.inputs) == arity, inner.name
        if isinstance(inner.body, Graph):
            assert_sound(inner.body)
    read = {value for inner in graph.nodes for value in inner.inputs}
    assert {inner.name for inner in graph.nodes} <= {*read, graph.output}
    assert graph.output in known
