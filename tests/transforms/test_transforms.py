"""Transforms against what Pillow and torchvision made of the same picture, and by reason."""

from __future__ import annotations

from random import Random
from typing import Literal, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stspec.data import transforms as tf
from stspec.data.transforms import Box
from stspec.diagnostics import SpecError
from tests.transforms.record import FILE, FILTERS, SIZES, picture

RECORDED = dict(np.load(FILE).items())


@pytest.fixture
def frames() -> Tensor:
    """Three frames (3, 45, 61, 3): the picture, upside down, and inverted."""
    first = torch.from_numpy(picture())
    return torch.stack([first, first.flip(0), 255 - first])


def test_the_picture_is_the_recorded_one() -> None:
    assert np.array_equal(RECORDED["picture"], picture())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FILTERS)
def test_resizing_is_pillows(frames: Tensor, name: tf.Filter, size: tuple[int, int]) -> None:
    out = tf.resize(frames, *size, name)
    assert out.shape == (3, *size, 3)
    wanted = torch.from_numpy(RECORDED[f"pillow {name} {size[0]}x{size[1]}"])
    off = (out[0].int() - wanted.int()).abs()
    if (size[0] < 45) == (size[1] < 61):
        assert off.max() <= 1
        assert (off > 0).float().mean() < 0.02
    else:
        # Pillow goes down first, then across; what is rounded and cut off between them differs.
        assert off.max() <= (1 if name == "bilinear" else 8)
        assert off.float().mean() < 0.3


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("name", FILTERS)
def test_resizing_is_torchvisions(
    frames: Tensor, name: tf.Filter, smooth: bool, size: tuple[int, int]
) -> None:
    out = tf.resize(frames, *size, name, smooth)
    wanted = torch.from_numpy(RECORDED[f"torchvision {name} {smooth} {size[0]}x{size[1]}"])
    assert (out[0].int() - wanted.int()).abs().max() <= 1
    assert (out[0] != wanted).float().mean() < 0.02


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("smooth", [True, False])
def test_devices_without_integers_differ_by_rounding_alone(
    frames: Tensor, smooth: bool, size: tuple[int, int]
) -> None:
    out = tf._resize_elsewhere(frames.permute(0, 3, 1, 2), size, "bilinear", smooth)
    here = tf.resize(frames, *size, "bilinear", smooth).permute(0, 3, 1, 2)
    assert (out.int() - here.int()).abs().max() <= 1


def test_frames_do_not_mix(frames: Tensor) -> None:
    together = tf.resize(frames, 24, 32)
    for frame, alone in zip(together, frames, strict=True):
        assert torch.equal(frame, tf.resize(alone[None], 24, 32)[0])


def test_a_filter_that_is_not_widened_skips_pixels() -> None:
    frames = torch.zeros(1, 8, 8, 1, dtype=torch.uint8)
    frames[0, ::4] = 255  # a quarter of the rows; 4 times smaller sees rows 1.5, 5.5: none of them
    assert tf.resize(frames, 2, 2, "bilinear", antialias=False).max() == 0
    assert tf.resize(frames, 2, 2, "bilinear", antialias=True).min() > 0


def test_the_nearest_pixel_is_the_one_at_the_middle() -> None:
    frames = torch.arange(9, dtype=torch.uint8).view(1, 1, 9, 1)
    assert tf.resize(frames, 1, 3, "nearest").flatten().tolist() == [1, 4, 7]


@pytest.mark.parametrize("side", [20, 45, 50])
def test_short_sides_are_torchvisions(side: int) -> None:
    assert tf.short_side_size(45, 61, side) == tuple(RECORDED[f"short side {side} False"])
    assert tf.short_side_size(61, 45, side) == tuple(RECORDED[f"short side {side} True"])


@pytest.mark.parametrize("size", [(40, 40), (31, 28), (45, 61)])
def test_the_middle_is_torchvisions(frames: Tensor, size: tuple[int, int]) -> None:
    out = tf.crop(frames, tf.center_box(45, 61, size))
    assert np.array_equal(out[0].numpy(), RECORDED[f"center {size[0]}x{size[1]}"])


def test_five_crops_are_torchvisions(frames: Tensor) -> None:
    boxes = tf.view_boxes(45, 61, (30, 40), 5)
    out = torch.stack([tf.crop(frames, box)[0] for box in boxes])
    assert np.array_equal(out.numpy(), RECORDED["five"])
    assert tf.view_boxes(45, 61, (30, 40), 10) == boxes * 2


@pytest.mark.parametrize(
    ("height", "width", "wanted"),
    [
        (256, 340, [(0, 0), (0, 42), (0, 84)]),
        (341, 256, [(0, 0), (42, 0), (85, 0)]),
        (256, 256, [(0, 0)] * 3),
    ],
)
def test_three_crops_cover_the_long_side(
    height: int, width: int, wanted: list[tuple[int, int]]
) -> None:
    boxes = tf.view_boxes(height, width, (256, 256), 3)
    assert [(box.top, box.left) for box in boxes] == wanted
    assert all((box.height, box.width) == (256, 256) for box in boxes)


def test_other_numbers_of_crops_are_refused() -> None:
    with pytest.raises(ValueError, match="4 crops"):
        tf.view_boxes(10, 10, (5, 5), 4)


def test_clips_are_normalised_as_torchvision_does(frames: Tensor) -> None:
    clips = tf.to_clip(frames)[None]
    assert clips.shape == (1, 3, 3, 45, 61)
    assert clips.is_contiguous()
    out = tf.normalise(clips, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert out.dtype == torch.float32
    torch.testing.assert_close(
        out[0, :, 0], torch.from_numpy(RECORDED["normalised"]), rtol=0, atol=2e-6
    )
    with pytest.raises(SpecError, match="3 channels, and the network takes 1"):
        tf.normalise(clips, [0.5], [0.5])


def test_a_mirror_exchanges_left_and_right(frames: Tensor) -> None:
    out = tf.mirror(frames)
    assert torch.equal(out[:, :, 0], frames[:, :, -1])
    assert torch.equal(tf.mirror(out), frames)


def test_mirrored_flow_goes_the_other_way() -> None:
    flow = torch.full((1, 2, 3, 2), 128, dtype=torch.uint8)
    flow[0, 1, 0] = torch.tensor([200, 90], dtype=torch.uint8)
    assert tf.mirror(flow)[0, 1, 2].tolist() == [55, 90]


def test_differences_are_halved_around_128() -> None:
    before = torch.tensor([0, 255, 7, 10, 100], dtype=torch.uint8)
    after = torch.tensor([255, 0, 7, 30, 99], dtype=torch.uint8)
    assert tf.rgb_difference(before, after).tolist() == [255, 0, 128, 138, 127]


SIDES = st.integers(16, 400)
Places = Literal["corners", "grid"]


@given(st.integers(), SIDES, SIDES, st.sampled_from(get_args(Places)))
def test_multi_scale_boxes_are_scales_in_their_places(
    seed: int, height: int, width: int, places: Places
) -> None:
    scales = (1, 0.875, 0.75, 0.66)
    box = tf.multi_scale_box(Random(seed), height, width, (112, 112), scales, places)
    sides = [int(min(height, width) * scale) for scale in scales]
    near = [112 if abs(side - 112) < 3 else side for side in sides]
    allowed = {
        (min(near[i], height), min(near[j], width))
        for i in range(4)
        for j in range(4)
        if abs(i - j) < 2
    }
    assert (box.height, box.width) in allowed
    assert 0 <= box.top <= height - box.height
    assert 0 <= box.left <= width - box.width
    down, right = (height - box.height) // 4, (width - box.width) // 4
    assert box.top in {step * down for step in range(5)}
    if places == "corners":
        corners = {(4 * y * down, 4 * x * right) for x in (0, 1) for y in (0, 1)}
        assert (box.top, box.left) in corners | {(2 * down, 2 * right)}


def test_every_multi_scale_box_is_drawn() -> None:
    def drawn(places: Places) -> set[Box]:
        return {
            tf.multi_scale_box(Random(k), 240, 320, (112, 112), (1, 0.75), places)
            for k in range(2000)
        }

    # A full-height box slides along one side only: 3 places of 5 that differ, 5 columns of 13.
    assert len(drawn("corners")) == (3 + 3 + 5 + 5)
    assert len(drawn("grid")) == (5 + 5 + 13 + 13)


@given(st.integers(), SIDES, SIDES)
def test_random_boxes_lie_within(seed: int, height: int, width: int) -> None:
    size = (min(height, 40), min(width, 30))
    box = tf.random_box(Random(seed), height, width, size)
    assert (box.height, box.width) == size
    assert 0 <= box.top <= height - size[0]
    assert 0 <= box.left <= width - size[1]
    box = tf.random_resized_box(Random(seed), height, width)
    assert 0 < box.height <= height - box.top
    assert 0 < box.width <= width - box.left
    assert 3 / 4 - 0.1 < box.width / box.height < 4 / 3 + 0.1


def test_random_resized_boxes_have_the_areas_asked_for() -> None:
    shares = sorted(
        box.height * box.width / (400 * 400)
        for box in (tf.random_resized_box(Random(k), 400, 400) for k in range(500))
    )
    assert 0.07 < shares[0] < 0.12
    assert shares[-1] > 0.85
    assert 0.35 < shares[250] < 0.65


def test_a_frame_far_too_wide_gives_its_middle() -> None:
    box = tf.random_resized_box(Random(0), 10, 1000, area=(0.9, 1.0))
    assert box == Box(0, round((1000 - 13) / 2), 10, 13)
