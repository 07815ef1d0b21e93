"""Operators of heads, whose shape rules, parameters and MACs torch confirms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from stspec.ops.activation import Gelu, Tanh
from stspec.ops.base import Op, Shape, ShapeError
from stspec.ops.forest import DecisionForest
from stspec.ops.plane import FeaturePlane, PlaneConv
from stspec.ops.pool import GlobalPool
from stspec.ops.recurrent import ConvLstm, LastState, Recurrent
from stspec.ops.relation import Relation
from stspec.ops.segmentation import TcnStage
from stspec.ops.shuffle import ChannelShuffle, PairMax
from stspec.ops.transformer import ClassToken, Embedding, FrameAttention, LayerNorm
from tests.ops.layers import BATCH, agree, runs, same_parameters

trunks = st.builds(
    Shape, st.integers(1, 9), st.integers(1, 6), st.integers(1, 13), st.integers(1, 13)
)


@settings(max_examples=60)
@given(
    st.builds(
        ConvLstm,
        hidden=st.integers(1, 5),
        kernel=st.sampled_from([1, 3, 5, 7]),
        bias=st.booleans(),
    ),
    trunks,
)
def test_conv_lstm(op: ConvLstm, shape: Shape) -> None:
    agree(op, [shape], "frames")
    same_parameters(op, [shape], "frames")


@settings(max_examples=80)
@given(
    st.builds(
        PlaneConv,
        width=st.integers(1, 5),
        kernel=st.integers(1, 5),
        stride=st.integers(1, 3),
        stride_c=st.integers(1, 4),
        padding=st.none() | st.integers(0, 2),
        bias=st.booleans(),
    ),
    trunks,
)
def test_plane_conv(op: PlaneConv, shape: Shape) -> None:
    agree(op, [shape], "frames")
    try:
        out = op.infer([shape])
    except ShapeError:
        return
    same_parameters(op, [shape], "frames")
    counter = FlopCounterMode(display=False)
    with counter:
        runs(op, [shape], "frames", out)
    assert counter.get_total_flops() == 2 * BATCH * op.macs([shape])["convolution"]


OF_FEATURES: list[Op] = [
    Recurrent(cell="lstm", hidden=3, layers=2, bidirectional=True),
    LastState(),
    Relation(width=3),
    FeaturePlane(),
    Embedding(),
    LayerNorm(),
    ClassToken(),
    DecisionForest(width=3, trees=1, depth=1),
    TcnStage(width=3),
]


@pytest.mark.parametrize("op", OF_FEATURES, ids=lambda op: op.kind)
def test_operators_of_features_refuse_maps_and_clips_without_frames(op: Op) -> None:
    for shape in (Shape(16, 4, 5, 5), Shape(16)):
        with pytest.raises(ShapeError, match="needs features"):
            op.infer([shape])


@pytest.mark.parametrize("op", [ConvLstm(), GlobalPool(), PairMax(), ChannelShuffle(groups=2)])
def test_operators_of_maps_refuse_features(op: Op) -> None:
    for shape in (Shape(16), Shape(16, 4)):
        with pytest.raises(ShapeError, match="needs"):
            op.infer([shape])


def test_shapes_of_what_runs_as_a_function() -> None:
    features, maps = Shape(6, 4), Shape(6, 4, 3, 2)
    assert LastState(bidirectional=True).infer([features]) == Shape(6)
    assert ClassToken().infer([features]) == Shape(6)
    assert FeaturePlane().infer([features]) == Shape(1, 1, 4, 6)
    assert GlobalPool().infer([maps]) == Shape(6)
    assert PairMax().infer([maps]) == ChannelShuffle(groups=3, parts=2).infer([maps]) == maps
    assert Gelu().infer([features]) == Tanh().infer([features]) == features


@pytest.mark.parametrize(
    ("op", "inputs", "words"),
    [
        (LastState(bidirectional=True), [Shape(5, 4)], "two directions"),
        (ChannelShuffle(groups=4), [Shape(6, 1, 2, 2)], "4 groups"),
        (PairMax(), [Shape(6, 1, 2, 2)], "T = 1"),
        (FrameAttention(heads=2), [Shape(6, 4), Shape(6, 5), Shape(6, 4)], "cannot compare"),
        (FrameAttention(heads=4), [Shape(6, 4)] * 3, "4 heads"),
        (Embedding(positions=4), [Shape(6, 4)], "knows 4"),
        (TcnStage(width=3, refines=True), [Shape(6, 4)], "refines 3"),
    ],
)
def test_what_does_not_fit_is_told(op: Op, inputs: list[Shape], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        op.infer(inputs)


@pytest.mark.parametrize("cell", ["tanh", "relu", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_macs_of_recurrent_networks_by_hand(cell: str, bidirectional: bool) -> None:
    """Every gate reads input and state, in every frame, layer and direction."""
    op = Recurrent(cell=cell, hidden=5, layers=2, bidirectional=bidirectional)
    gates = {"tanh": 1, "relu": 1, "gru": 3, "lstm": 4}[cell]
    ways = 1 + bidirectional
    first, second = gates * 5 * (7 + 5), gates * 5 * (5 * ways + 5)
    assert op.macs([Shape(7, 3)]) == {"linear": 3 * ways * (first + second)}


@pytest.mark.parametrize(
    ("op", "frames"), [(TcnStage(width=2, layers=4), 1 + 2 * (1 + 2 + 4 + 8)), (PairMax(), 2)]
)
def test_how_far_operators_look_in_time(op: Op, frames: int) -> None:
    assert op.window().time.kernel == frames


def test_a_stage_sees_no_farther_than_it_says() -> None:
    from templates.modules.segmentation import TemporalStage

    module = TemporalStage(1, 1, channels=2, layers=3).double().eval()
    x = torch.zeros(1, 41, 1, dtype=torch.double)
    x[0, 20] = 1.0
    blank = torch.zeros_like(x)
    moved = (module(x) - module(blank)).abs()[0, :, 0].nonzero().flatten()
    sides = TcnStage(width=1, layers=3).window().time.kernel // 2
    assert 20 - sides <= int(moved.min()) and int(moved.max()) <= 20 + sides
