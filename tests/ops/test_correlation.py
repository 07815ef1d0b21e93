"""Correlation, flattening: shape rules and parameters equal those of what they name."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stspec.ops.base import Layout, Shape, ShapeError, Site
from stspec.ops.correlation import Correlation
from stspec.ops.flatten import Flatten
from tests.ops.layers import BATCH, agree, laid_out, same_parameters

trunks = st.builds(
    Shape, st.integers(1, 8), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)
)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 7), st.integers(1, 3), st.integers(1, 4), trunks)
def test_correlation(kernel: int, dilation: int, groups: int, shape: Shape) -> None:
    if kernel % 2 == 0:
        with pytest.raises(ValidationError, match="middle"):
            Correlation(kernel=kernel)
        return
    op = Correlation(kernel=kernel, dilation=dilation, groups=groups)
    if shape.channels % groups:
        with pytest.raises(ShapeError, match="divide"):
            op.infer([shape])
        return
    agree(op, [shape], "clip")
    same_parameters(op, [shape], "clip")


@given(trunks, st.booleans(), st.sampled_from(["frames", "clip"]))
def test_flatten(shape: Shape, time: bool, layout: Layout) -> None:
    op = Flatten(time=time)
    expected = op.infer([shape])
    text = op.function(Site((shape,), expected, layout)).format("x", frames=shape.frames)
    out = eval(text, {"torch": torch, "x": laid_out(shape, layout)})
    if time or layout == "clip":
        assert tuple(out.shape) == (BATCH, *reversed(expected.sizes))
    else:
        assert tuple(out.shape) == (BATCH * (shape.frames or 1), expected.channels)


def test_flattened_clips_keep_the_order_of_their_axes() -> None:
    shape = Shape(2, 3, 4, 5)
    clips = torch.arange(2 * 120).view(2, 2, 3, 4, 5)
    frames = clips.transpose(1, 2).flatten(0, 1)
    wanted = {True: clips.reshape(2, -1), False: clips.transpose(1, 2).reshape(2, 3, -1)}
    for time, expected in wanted.items():
        op = Flatten(time=time)
        for layout, x in (("clip", clips), ("frames", frames)):
            site = Site((shape,), op.infer([shape]), "clip" if layout == "clip" else "frames")
            out = eval(op.function(site).format("x", frames=3), {"torch": torch, "x": x})
            assert torch.equal(out.reshape(expected.shape), expected)
