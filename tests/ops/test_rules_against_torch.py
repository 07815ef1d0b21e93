"""Shape rules, parameters and MACs of every operator equal those of the layer that it names.

Layers run on meta tensors: any size costs nothing. What a rule refuses, torch must refuse, or give
nothing; what it accepts must have the shape that it says.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.utils.flop_counter import FlopCounterMode

from stspec.ops.attention import ConcatenationAttention, DotProductAttention, SoftmaxAttention
from stspec.ops.base import Layout, Op, Shape, ShapeError
from stspec.ops.conv import Conv2d, Conv3d
from stspec.ops.join import Add, Concat
from stspec.ops.linear import Dropout, Linear
from stspec.ops.norm import BatchNorm
from stspec.ops.pool import (
    AvgPool2d,
    AvgPool3d,
    Consensus,
    MaxPool2d,
    MaxPool3d,
    SpatialPool,
    TemporalAvgPool,
    TemporalMaxPool,
)
from stspec.ops.temporal import TemporalAggregation, TemporalShift
from tests.ops.layers import BATCH, REFUSALS, agree, given_shape, laid_out, runs, same_parameters

trunks = st.builds(
    Shape, st.integers(1, 12), st.integers(1, 9), st.integers(1, 21), st.integers(1, 21)
)


spatial = {
    "kernel": st.integers(1, 7),
    "kernel_w": st.none() | st.integers(1, 7),
    "stride": st.integers(1, 9),
    "padding": st.none() | st.just("same") | st.integers(0, 6),
    "width": st.none() | st.integers(1, 12),
    "groups": st.sampled_from([1, 1, 2, 3, 4, "depthwise"]),
    "bias": st.booleans(),
}
temporal = {
    "kernel_t": st.integers(1, 6),
    "stride_t": st.integers(1, 5),
    "padding_t": st.none() | st.integers(0, 4),
}


def conv3d(**fields: Any) -> Conv3d:
    """Return a convolution; one that pads by its input's size says nothing of time."""
    return Conv3d(**fields | ({"padding_t": None} if fields["padding"] == "same" else {}))


convolutions_of_clips = st.builds(conv3d, **spatial, **temporal)


@settings(max_examples=400)
@given(st.builds(Conv2d, **spatial), trunks)
def test_conv2d(op: Conv2d, shape: Shape) -> None:
    agree(op, [shape], "frames")


@settings(max_examples=500)
@given(convolutions_of_clips, trunks)
def test_conv3d(op: Conv3d, shape: Shape) -> None:
    agree(op, [shape], "clip")


@settings(max_examples=150)
@given(
    st.one_of(st.builds(Conv2d, **spatial), convolutions_of_clips),
    trunks,
)
def test_parameters_and_macs_of_convolutions(op: Conv2d, shape: Shape) -> None:
    layout: Layout = "clip" if isinstance(op, Conv3d) else "frames"
    try:
        out = op.infer([shape])
    except ShapeError:
        return
    same_parameters(op, [shape], layout)
    counter = FlopCounterMode(display=False)
    with counter:
        runs(op, [shape], layout, out)
    assert counter.get_total_flops() == 2 * BATCH * op.macs([shape])["convolution"]


def pools(*classes: type[Op], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a class and its fields; paddings go up to their limit, now and then beyond it."""
    fields = {
        "kernel": st.integers(1, 5),
        "stride": st.integers(1, 7),
        "padding": st.integers(0, 3),
        "ceil_mode": st.booleans(),
    }
    every = {"cls": st.sampled_from(classes), **fields, **more}
    return st.builds(at_most_half, st.fixed_dictionaries(every), st.integers(0, 9))


def at_most_half(fields: dict[str, Any], chance: int) -> dict[str, Any]:
    beyond = int(chance == 9)
    for end in ("", "_t"):
        if "padding" + end in fields:
            limit = fields["kernel" + end] // 2 + beyond
            fields["padding" + end] = min(fields["padding" + end], limit)
    return fields


def pool_or_refusal(fields: dict[str, Any], shape: Shape, layout: Layout) -> None:
    """Check a pooling, whose padding may already be refused by its declaration."""
    cls, settings = fields["cls"], {k: v for k, v in fields.items() if k != "cls"}
    try:
        op = cls(**settings)
    except ValidationError:
        event("invalid")
        op = cls.model_construct(**settings)
        with pytest.raises(REFUSALS):
            runs(op, [shape], layout, shape)
        return
    agree(op, [shape], layout)


@settings(max_examples=400)
@given(pools(MaxPool2d, AvgPool2d), trunks)
def test_pools_of_frames(fields: dict[str, Any], shape: Shape) -> None:
    pool_or_refusal(fields, shape, "frames")


in_time = {
    "kernel_t": st.integers(1, 5),
    "stride_t": st.integers(1, 6),
    "padding_t": st.integers(0, 3),
}


@settings(max_examples=500)
@given(pools(MaxPool3d, **in_time), trunks)
def test_max_pool_of_clips(fields: dict[str, Any], shape: Shape) -> None:
    pool_or_refusal(fields, shape, "clip")


@settings(max_examples=300)
@given(pools(AvgPool3d, **in_time), trunks)
def test_average_pool_of_clips(fields: dict[str, Any], shape: Shape) -> None:
    """The templates' own, which pad time without torch's limit, and never round it up."""
    cls, given_fields = fields["cls"], {k: v for k, v in fields.items() if k != "cls"}
    try:
        op = cls(**given_fields)
    except ValidationError:
        return
    if op.ceil_mode and op.stride_t > 1:
        with pytest.raises(ShapeError, match="round up"):
            op.infer([shape])
        return
    agree(op, [shape], "clip")


by_size = {
    "kernel": st.integers(1, 5),
    "stride": st.integers(1, 7),
    "padding": st.just("same"),
}


@settings(max_examples=200)
@given(st.builds(MaxPool2d, **by_size), trunks)
def test_max_pool_of_frames_by_size(op: MaxPool2d, shape: Shape) -> None:
    agree(op, [shape], "frames")


@settings(max_examples=200)
@given(
    st.builds(MaxPool3d, **by_size, kernel_t=in_time["kernel_t"], stride_t=in_time["stride_t"]),
    trunks,
)
def test_max_pool_of_clips_by_size(op: MaxPool3d, shape: Shape) -> None:
    agree(op, [shape], "clip")


@pytest.mark.parametrize(
    ("cls", "fields"),
    [
        (Conv3d, {"padding_t": 1}),
        (MaxPool3d, {"padding_t": 1, "kernel_t": 3}),
        (MaxPool2d, {"ceil_mode": True}),
        (AvgPool2d, {}),
        (AvgPool3d, {}),
    ],
)
def test_what_padding_by_size_goes_without(cls: type[Op], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"leave `|an average counts"):
        cls(padding="same", **fields)


@settings(max_examples=300)
@given(
    st.sampled_from([TemporalMaxPool, TemporalAvgPool]),
    st.integers(1, 6),
    st.integers(1, 6),
    st.none() | st.integers(0, 3),
    st.sampled_from(["frames", "clip"]),
    trunks,
)
def test_temporal_pools(
    cls: type[TemporalMaxPool | TemporalAvgPool],
    kernel: int,
    stride: int,
    padding: int | None,
    layout: Layout,
    shape: Shape,
) -> None:
    try:
        op = cls(kernel=kernel, stride=stride, padding=padding)
    except ValidationError:
        assert padding is not None and 2 * padding > kernel
        return
    agree(op, [shape], layout)


@settings(max_examples=150)
@given(
    st.builds(
        TemporalAggregation,
        kernel=st.integers(1, 9),
        reduce=st.sampled_from(["sum", "maximum"]),
        depthwise=st.booleans(),
    ),
    trunks,
)
def test_temporal_aggregation(op: TemporalAggregation, shape: Shape) -> None:
    agree(op, [shape], "frames")
    same_parameters(op, [shape], "frames")


@settings(max_examples=200)
@given(st.integers(2, 12), trunks)
def test_shift(fold_div: int, shape: Shape) -> None:
    op = TemporalShift(fold_div=fold_div)
    if shape.channels < fold_div:
        with pytest.raises(ShapeError, match="channels"):
            op.infer([shape])
    else:
        agree(op, [shape], "frames")


@settings(max_examples=200)
@given(
    st.sampled_from([SoftmaxAttention(), DotProductAttention(), ConcatenationAttention()]),
    trunks,
    st.integers(1, 9),
    st.integers(1, 5),
)
def test_attention(op: Op, theta: Shape, out: int, sub_sample: int) -> None:
    height, width = theta.height or 1, theta.width or 1
    phi = Shape(theta.channels, theta.frames, -(-height // sub_sample), -(-width // sub_sample))
    inputs = [theta, phi, phi.with_channels(out)]
    agree(op, inputs, "frames")
    same_parameters(op, inputs, "frames")


@pytest.mark.parametrize("op", [SoftmaxAttention(), DotProductAttention()])
def test_attention_refuses_what_does_not_fit(op: Op) -> None:
    theta = Shape(4, 2, 3, 3)
    with pytest.raises(ShapeError, match="channels"):
        op.infer([theta, Shape(5, 2, 3, 3), theta])
    with pytest.raises(ShapeError, match="positions"):
        op.infer([theta, theta, Shape(4, 2, 3, 2)])


@given(trunks, st.sampled_from(["frames", "clip"]))
def test_norm_keeps_shapes(shape: Shape, layout: Layout) -> None:
    op = BatchNorm()
    agree(op, [shape], layout)
    same_parameters(op, [shape], layout)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_linear(channels: int, frames: int, width: int, bias: bool) -> None:
    op = Linear(width=width, bias=bias)
    for shape, size in ((Shape(channels, frames), frames), (Shape(channels), 1)):
        out = runs(op, [shape], "clip", op.infer([shape]))
        assert tuple(out.shape[1:]) == tuple(reversed(op.infer([shape]).sizes))
        assert op.macs([shape]) == {"linear": channels * width * size}
        same_parameters(op, [shape], "clip")


def test_linear_refuses_maps() -> None:
    with pytest.raises(ShapeError, match="pooled"):
        Linear(width=3).infer([Shape(4, 2, 1, 1)])


@pytest.mark.parametrize("op", [Conv2d(width=2), MaxPool2d(), SpatialPool(), TemporalShift()])
def test_operators_of_maps_refuse_features(op: Op) -> None:
    for shape in (Shape(16), Shape(16, 4)):
        with pytest.raises(ShapeError, match="needs"):
            op.infer([shape])


def test_pooling_to_scores() -> None:
    clips = Shape(16, 4, 5, 6)
    assert SpatialPool().infer([clips]) == Shape(16, 4)
    assert Consensus().infer([Shape(16, 4)]) == Shape(16)
    for shape in (clips, Shape(16)):
        with pytest.raises(ShapeError, match="consensus"):
            Consensus().infer([shape])
    assert Dropout().infer([Shape(16, 4)]) == Shape(16, 4)


@settings(max_examples=200)
@given(st.lists(trunks, min_size=2, max_size=4), st.booleans())
def test_joins(shapes: list[Shape], alike: bool) -> None:
    if alike:
        shapes = [shapes[0].with_channels(shape.channels) for shape in shapes]
    tensors = [laid_out(shape, "clip") for shape in shapes]
    try:
        expected = Concat().infer(shapes)
    except ShapeError:
        with pytest.raises(REFUSALS):
            torch.cat(tensors, 1)
    else:
        assert given_shape(torch.cat(tensors, 1), "clip") == expected


def test_a_sum_keeps_the_shape() -> None:
    assert Add().infer([Shape(4, 2, 3, 3), Shape(4, 2, 3, 3)]) == Shape(4, 2, 3, 3)


def test_a_sum_does_not_broadcast() -> None:
    with pytest.raises(ShapeError, match="cannot add"):
        Add().infer([Shape(4, 2, 3, 3), Shape(4, 2, 1, 3)])


@pytest.mark.parametrize("stride", [2**31 - 1, 2**31])
@pytest.mark.parametrize(
    ("cls", "layout", "field"),
    [
        (MaxPool2d, "frames", "stride"),
        (AvgPool2d, "frames", "stride"),
        (MaxPool3d, "clip", "stride_t"),
        (TemporalMaxPool, "clip", "stride"),
        (TemporalMaxPool, "frames", "stride"),
    ],
)
def test_pools_stride_as_far_as_torch_counts(
    cls: type[Op], layout: Layout, field: str, stride: int
) -> None:
    op = cls.model_validate({field: stride})
    shape = Shape(2, 4, 5, 5)
    if stride < 2**31:
        agree(op, [shape], layout)
        return
    with pytest.raises(ShapeError, match=f"has a stride of {stride}") as caught:
        op.infer([shape])
    assert caught.value.field == field
