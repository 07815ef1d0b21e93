"""Windows, positions, squeeze-excitation and attention in groups: rules against their modules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from stspec.ops.attention import Attention, DotProductAttention, SoftmaxAttention
from stspec.ops.base import Op, Shape, ShapeError
from stspec.ops.linear import Linear
from stspec.ops.squeeze import SqueezeExcite, rounded
from stspec.ops.window import PositionMean, Positions, Probabilities, WindowPool
from tests.ops.layers import agree, runs, same_parameters

trunks = st.builds(
    Shape, st.integers(1, 40), st.integers(1, 9), st.integers(1, 12), st.integers(1, 12)
)
sizes = st.none() | st.integers(1, 13)


@settings(max_examples=300)
@given(st.builds(WindowPool, frames=sizes, height=sizes, width=sizes, side=sizes), trunks)
def test_window_pool(op: WindowPool, shape: Shape) -> None:
    agree(op, [shape], "clip")


@given(trunks)
def test_one_window_covers_a_map_without_sizes(shape: Shape) -> None:
    assert WindowPool().infer([shape]) == Shape(shape.channels, 1, 1, 1)
    assert WindowPool(side=50).infer([shape]) == Shape(shape.channels, 1, 1, 1)


def test_a_window_of_a_side_is_cut_and_one_of_a_height_is_not() -> None:
    shape = Shape(4, 8, 5, 9)
    assert WindowPool(side=7).infer([shape]) == Shape(4, 1, 1, 3)
    assert WindowPool(frames=4, height=5, side=7).infer([shape]) == Shape(4, 5, 1, 3)
    with pytest.raises(ShapeError, match="H = 5 but its kernel needs 7"):
        WindowPool(height=7).infer([shape])


@given(trunks)
def test_positions_are_classified_one_by_one(shape: Shape) -> None:
    features = Positions().infer([shape])
    assert features == Shape(shape.channels, shape.positions)
    scores = Linear(width=5).infer([features])
    assert Linear(width=5).macs([features])["linear"] == 5 * shape.numel
    assert Probabilities().infer([scores]) == scores
    assert PositionMean().infer([scores]) == Shape(5)


def test_what_has_no_positions_is_refused() -> None:
    clips = Shape(4, 8, 5, 9)
    with pytest.raises(ShapeError):
        PositionMean().infer([clips])
    with pytest.raises(ShapeError):
        Probabilities().infer([clips])
    for op in (Positions(), WindowPool(), SqueezeExcite()):
        with pytest.raises(ShapeError):
            op.infer([Shape(4, 8)])


@settings(max_examples=100)
@given(
    st.builds(SqueezeExcite, ratio=st.floats(0.01, 2, allow_nan=False), divisor=st.integers(1, 12)),
    trunks,
)
def test_squeeze_excite(op: SqueezeExcite, shape: Shape) -> None:
    agree(op, [shape], "clip")
    same_parameters(op, [shape], "clip")
    with FlopCounterMode(display=False) as counter:
        runs(op, [shape], "clip", shape)
    assert counter.get_total_flops() // 4 == op.macs([shape])["convolution"]


@pytest.mark.parametrize(
    ("width", "divisor", "expected"),
    [(3.375, 8, 8), (13.5, 8, 16), (27, 8, 32), (34.8, 8, 32), (39.375, 8, 40), (7.5, 1, 8)],
)
def test_widths_lose_at_most_a_tenth(width: float, divisor: int, expected: int) -> None:
    """X3D's numbers: a sixteenth of 54, 216, 432 and 630 channels, and 12 times 2.9."""
    assert rounded(width, divisor) == expected


@given(st.floats(0.1, 5000, allow_nan=False), st.integers(1, 64))
def test_rounding_stays_near(width: float, divisor: int) -> None:
    found = rounded(width, divisor)
    assert found % divisor == 0 and found >= divisor and found >= 0.9 * width
    assert found <= width + divisor


GROUPED: list[type[Attention]] = [SoftmaxAttention, DotProductAttention]


@pytest.mark.parametrize("cls", GROUPED)
@settings(max_examples=20)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5))
def test_groups_are_clips_by_themselves(
    cls: type[Attention], groups: int, frames: int, height: int, width: int
) -> None:
    whole = Shape(6, groups * frames, height, width)
    part = Shape(6, frames, height, width)
    op: Op = cls(groups=groups)
    assert op.infer([whole] * 3) == whole
    assert op.macs([whole] * 3)["matmul"] == groups * cls().macs([part] * 3)["matmul"]
    assert runs(op, [whole] * 3, "frames", whole).shape[1:] == (6, height, width)


def test_frames_that_groups_do_not_share_are_refused() -> None:
    shape = Shape(4, 6, 3, 3)
    with pytest.raises(ShapeError, match="T = 6"):
        SoftmaxAttention(groups=4).infer([shape] * 3)
