"""Gates, averages, differences, resizing and chunks: shape rules, and what their code computes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stspec.ops.base import Layout, Op, Shape, ShapeError, Site
from stspec.ops.gate import Average, Gate, Resize, TemporalDifference
from stspec.ops.join import Chunk
from stspec.ops.pool import SpatialPool
from tests.ops.layers import BATCH, agree, given_shape

trunks = st.builds(
    Shape, st.integers(1, 6), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)
)
layouts = st.sampled_from(["frames", "clip"])


def value(shape: Shape, layout: Layout, seed: int) -> Tensor:
    c, t, h, w = shape.sizes
    size = (BATCH, c, t, h, w) if layout == "clip" else (BATCH * t, c, h, w)
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def run(op: Op, shapes: list[Shape], layout: Layout) -> tuple[list[Tensor], Tensor]:
    """Return inputs and what the operator's expression gives for them."""
    inputs = [value(shape, layout, seed) for seed, shape in enumerate(shapes)]
    site = Site(tuple(shapes), op.infer(shapes), layout)
    text = op.function(site).format(*(f"v[{i}]" for i in range(len(inputs))), frames=site.frames)
    out = eval(text, {"torch": torch, "F": F, "v": inputs})
    assert isinstance(out, Tensor)
    return inputs, out


@settings(max_examples=60, deadline=None)
@given(
    trunks,
    st.booleans(),
    st.booleans(),
    st.integers(1, 3),
    st.sampled_from([0, 0.5, 1.0, -1]),
    layouts,
)
def test_a_gate_holds_for_channels_positions_and_clips(
    x: Shape, one_channel: bool, one_position: bool, clips: int, offset: float, layout: Layout
) -> None:
    _, t, h, w = x.sizes
    maps = (1, 1) if one_position else (h, w)
    y = Shape(1 if one_channel else x.channels, clips * t, *maps)
    (a, b), out = run(Gate(offset=offset), [x, y], layout)
    if layout == "frames":
        a, b = (v.unflatten(0, (BATCH, -1)).transpose(1, 2) for v in (a, b))
        out = out.unflatten(0, (BATCH, -1)).transpose(1, 2)
    weight = sum(part.sigmoid() for part in b.split(t, 2)) / clips + offset
    torch.testing.assert_close(out, (a * weight).expand_as(a))


@pytest.mark.parametrize("y", [Shape(3, 4, 5, 6), Shape(2, 3, 5, 6), Shape(4, 4, 5, 1)])
def test_a_gate_refuses_what_does_not_fit(y: Shape) -> None:
    with pytest.raises(ShapeError, match="cannot weigh"):
        Gate().infer([Shape(4, 4, 5, 6), y])


@given(trunks, st.integers(2, 4), layouts)
def test_averages(x: Shape, count: int, layout: Layout) -> None:
    inputs, out = run(Average(), [x] * count, layout)
    torch.testing.assert_close(out, torch.stack(inputs).mean(0))
    weights = tuple(0.25 * i for i in range(count))
    inputs, out = run(Average(weights=weights), [x] * count, layout)
    torch.testing.assert_close(out, sum(w * v for w, v in zip(weights, inputs, strict=True)))


def test_averages_refuse_what_does_not_fit() -> None:
    x = Shape(2, 3, 4, 4)
    with pytest.raises(ShapeError, match="cannot average"):
        Average().infer([x, Shape(2, 3, 4, 5)])
    with pytest.raises(ShapeError, match="weights for"):
        Average(weights=(1.0,)).infer([x, x])


@given(trunks, st.sampled_from(["forward", "backward", "both"]))
def test_differences(x: Shape, direction: str) -> None:
    agree(TemporalDifference.model_validate({"direction": direction}), [x, x], "frames")


def test_differences_refuse_other_shapes() -> None:
    with pytest.raises(ShapeError, match="difference"):
        TemporalDifference().infer([Shape(2, 3, 4, 4), Shape(2, 3, 4, 5)])


@given(trunks, trunks)
def test_resizing(x: Shape, like: Shape) -> None:
    like = Shape(like.channels, x.frames, like.height, like.width)
    _, out = run(Resize(), [x, like], "frames")
    assert given_shape(out, "frames") == Resize().infer([x, like])


@given(trunks, st.integers(1, 4), st.integers(0, 3), layouts)
def test_chunks(x: Shape, parts: int, index: int, layout: Layout) -> None:
    op = Chunk(parts=parts, index=index)
    if x.channels % parts or index >= parts:
        with pytest.raises(ShapeError, match="part"):
            op.infer([x])
        return
    (whole,), out = run(op, [x], layout)
    width = x.channels // parts
    assert op.channels([x.channels]) == width
    torch.testing.assert_close(out, whole[:, index * width : (index + 1) * width])


@given(trunks, layouts)
def test_pooled_maps_that_stay(x: Shape, layout: Layout) -> None:
    op = SpatialPool(keep=True)
    (whole,), out = run(op, [x], layout)
    assert given_shape(out, layout) == op.infer([x])
    torch.testing.assert_close(out, whole.mean((-2, -1), keepdim=True))
