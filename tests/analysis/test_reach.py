"""Receptive fields by hand."""

from __future__ import annotations

import pytest

from stspec.analysis.reach import Extent, Field, reach, trunk_reach
from stspec.graph import Graph, Node
from stspec.network import load
from stspec.ops.attention import SoftmaxAttention
from stspec.ops.conv import Conv2d, Conv3d
from stspec.ops.join import Add
from stspec.ops.pool import MaxPool2d


def graph(*nodes: Node) -> Graph:
    return Graph("model", nodes, nodes[-1].name)


def test_kernels_grow_by_the_stride_in_front_of_them() -> None:
    fields = reach(
        graph(
            Node("a", Conv3d(width=4, kernel=7, stride=2, kernel_t=3), ("x",)),
            Node("b", MaxPool2d(kernel=3, stride=2, padding=1), ("a",)),
            Node("c", Conv3d(width=4, kernel=3, kernel_t=3, stride_t=2), ("b",)),
            Node("d", Conv3d(width=4, kernel_t=3), ("c",)),
        )
    )
    assert fields["a"] == Field(Extent(3, 1), Extent(7, 2))
    assert fields["b"] == Field(Extent(3, 1), Extent(11, 4))
    assert fields["c"] == Field(Extent(5, 2), Extent(19, 4))
    assert fields["d"] == Field(Extent(9, 2), Extent(19, 4))


def test_branches_join_at_the_larger() -> None:
    inner = Graph("sequential", (Node("0", Conv2d(kernel=5), ("x",)),), "0")
    fields = reach(
        graph(
            Node("short", Conv2d(), ("x",)),
            Node("long", inner, ("x",)),
            Node("sum", Add(), ("short", "long")),
        )
    )
    assert fields["long.0"] == fields["long"] == fields["sum"]
    assert fields["sum"].space.size == 5


def test_attention_sees_the_whole_clip_at_the_positions_of_its_queries() -> None:
    fields = reach(
        graph(
            Node("small", MaxPool2d(kernel=2, stride=2), ("x",)),
            Node("y", SoftmaxAttention(), ("x", "small", "small")),
            Node("z", Conv2d(kernel=3), ("y",)),
        )
    )
    assert fields["z"] == Field(Extent(None, 1), Extent(None, 1))


@pytest.mark.parametrize(
    ("name", "time", "space"),
    [
        ("tsn_resnet50", (1, 1), (427, 32)),
        ("i3d_resnet50", (35, 1), (427, 32)),
        ("tam_resnet50", (33, 1), (427, 32)),
        ("nln_resnet50", (None, 1), (None, 32)),
        ("tsn_resnet18", (1, 1), (435, 32)),
        # The gradient of one element of layer4 reaches 97 frames.
        ("slowfast_r50_8x8", (97, 4), (427, 32)),
        ("mstcn_single", (2047, 1), (1, 1)),  # 2 x (1 + 2 + ... + 512) + 1
    ],
)
def test_shipped_trunks(
    name: str, time: tuple[int | None, int], space: tuple[int | None, int]
) -> None:
    field = trunk_reach(load(name).facts)
    assert (field.time.size, field.time.stride) == time
    assert (field.space.size, field.space.stride) == space
