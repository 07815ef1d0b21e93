"""Temporal modules: shapes, parameters and MACs equal those of the layers that they name."""

from __future__ import annotations

import importlib

import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from stspec.ops.adaptive import AdaptiveTemporalConv, GateShift, Interlace
from stspec.ops.base import Op, Shape, ShapeError, Site
from stspec.ops.excitation import MeanConv, MotionEnhancement
from stspec.ops.temporal import TemporalConv
from tests.ops.layers import BATCH, agree, laid_out, runs, same_parameters

trunks = st.builds(
    Shape, st.integers(1, 40), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)
)
odd = st.sampled_from([1, 3, 5])
ops: st.SearchStrategy[Op] = st.one_of(
    st.builds(
        Interlace,
        fold_div=st.integers(1, 5),
        offsets=st.integers(1, 3),
        reach=st.integers(1, 4),
    ),
    st.just(GateShift()),
    st.builds(
        AdaptiveTemporalConv,
        kernel=odd,
        expansion=st.integers(1, 3),
        reduction=st.integers(1, 6),
    ),
    st.just(MeanConv()),
    st.builds(
        MotionEnhancement,
        reduction=st.integers(1, 9),
        sigmoid=st.sampled_from(["gate", "difference"]),
    ),
    st.builds(TemporalConv, kernel=odd, depthwise=st.booleans()),
    st.builds(TemporalConv, kernel=st.sampled_from([3, 5]), start=st.just("shift")),
)


def is_refused(op: Op, shape: Shape) -> bool:
    try:
        op.infer([shape])
    except ShapeError:
        event("refused")
        return True
    return False


@settings(max_examples=100, deadline=None)
@given(ops, trunks)
def test_shapes_and_parameters(op: Op, shape: Shape) -> None:
    if is_refused(op, shape):
        return
    agree(op, [shape], "frames")
    same_parameters(op, [shape], "frames")


@settings(max_examples=100, deadline=None)
@given(ops, trunks)
def test_macs(op: Op, shape: Shape) -> None:
    if is_refused(op, shape):
        return
    counter = FlopCounterMode(display=False)
    with counter:
        if isinstance(op, AdaptiveTemporalConv):
            as_canonical(op, shape)
        else:
            runs(op, [shape], "frames", op.infer([shape]))
    assert counter.get_total_flops() == 2 * BATCH * sum(op.macs([shape]).values())


def as_canonical(op: AdaptiveTemporalConv, shape: Shape) -> None:
    layer = op.layer(Site((shape,), shape, "frames"))
    assert layer is not None
    cls = getattr(importlib.import_module("templates.canonical.adaptive"), layer.cls)
    values = {arg.name: arg.value for arg in layer.args}
    with torch.device("meta"), torch.no_grad():
        cls(**values).eval()(laid_out(shape, "frames"))


@pytest.mark.parametrize(
    ("op", "channels"),
    [
        (Interlace(), 24),  # a quarter of 24 are 6, for 4 groups
        (Interlace(fold_div=8), 4),
        (Interlace(offsets=3, fold_div=2), 20),
        (GateShift(), 6),
        (GateShift(), 3),
        (AdaptiveTemporalConv(), 3),
        (MotionEnhancement(), 7),
    ],
)
def test_channels_that_cannot_be_divided_are_refused(op: Op, channels: int) -> None:
    with pytest.raises(ShapeError, match=str(channels)):
        op.infer([Shape(channels, 4, 5, 5)])


@pytest.mark.parametrize("op", [Interlace(), GateShift(), AdaptiveTemporalConv(), MeanConv()])
def test_features_are_refused(op: Op) -> None:
    with pytest.raises(ShapeError, match="needs"):
        op.infer([Shape(16, 4)])


@pytest.mark.parametrize(
    "make",
    [
        lambda: TemporalConv(kernel=2),
        lambda: TemporalConv(kernel=1, start="shift"),
        lambda: TemporalConv(depthwise=False, start="identity"),
        lambda: AdaptiveTemporalConv(kernel=4),
    ],
)
def test_impossible_settings_are_refused(make: type[Op]) -> None:
    with pytest.raises(ValueError, match="kernel"):
        make()
