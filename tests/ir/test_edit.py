"""Edits of graphs: blocks that are alike are one object, and only where they stay alike."""

from __future__ import annotations

from collections.abc import Mapping

from stspec.graph import Graph, Node
from stspec.graph.model import walk
from stspec.ir.edit import edit_owners, swap
from stspec.network import load


def bodies(policy: Mapping[str, object]) -> list[Graph]:
    """Return the blocks of the second stage but the first, which strides."""
    graph = load({"stspec": 1, "extends": "families/tsn", "policy": policy}).graph
    stage = graph.node("layer2").body
    assert isinstance(stage, Graph)
    return [node.body for node in stage.nodes[1:] if isinstance(node.body, Graph)]


def test_blocks_that_are_alike_are_one_object() -> None:
    for policy in ({}, {"spatial": {"all": {"to": "conv3d", "where": {"op": "conv2d"}}}}):
        first, *others = bodies(policy)
        assert len(others) == 2
        assert all(other is first for other in others)


def test_a_rule_for_one_of_them_leaves_the_others() -> None:
    rule = {
        "to": "conv3d",
        "where": {"op": "conv2d", "slot": "conv2", "blocks": [2], "stages": [3]},
    }
    first, second, third = bodies({"spatial": {"one": rule}})
    assert first is third
    kinds = [[getattr(node.body, "kind", "") for _, node in walk(body)] for body in (first, second)]
    assert kinds[0].count("conv3d") == 0
    assert kinds[1].count("conv3d") == 1


def test_edits_reach_the_same_node_as_one_by_one() -> None:
    graph = load("tsn_resnet18").graph

    def left_out(owner: Graph, node: Node) -> Graph:
        return swap(owner, node)

    paths = ["layer1.0.relu", "layer1.1.relu", "layer1.0.bn2", "relu"]
    together = edit_owners(graph, dict.fromkeys(paths, left_out))
    apart = graph
    for path in paths:
        apart = edit_owners(apart, {path: left_out})
    assert [path for path, _ in walk(together)] == [path for path, _ in walk(apart)]
    assert len(list(walk(graph))) - len(list(walk(together))) == len(paths)
