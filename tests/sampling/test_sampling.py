"""Frames of clips: the studies' definitions in exact numbers, the public code's where it is odd."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stspec.data.sampling import STRATEGIES, Sampling, train_indices, view_indices

COUNTS = st.integers(1, 400)
FRAMES = st.integers(1, 64)


@given(st.sampled_from(STRATEGIES), COUNTS, FRAMES, st.integers(1, 8), st.integers(1, 12))
def test_clips_are_of_frames_that_exist(
    strategy: Sampling, count: int, frames: int, stride: int, clips: int
) -> None:
    drawn = train_indices(strategy, count, frames, stride, Random(count))
    views = view_indices(strategy, count, frames, stride, clips)
    assert len(views) == clips
    for indices in (drawn, *views):
        assert len(indices) == frames
        assert all(0 <= index < count for index in indices)
    assert drawn == train_indices(strategy, count, frames, stride, Random(count))


@given(COUNTS, FRAMES)
def test_uniform_takes_the_middle_of_equal_segments(count: int, frames: int) -> None:
    if count < frames:
        return
    tick = Fraction(count, frames)
    assert view_indices("uniform", count, frames, 1, 1) == [
        [floor(tick * x + tick / 2) for x in range(frames)]
    ]


@given(st.integers(1, 400), st.integers(1, 16), st.integers())
def test_uniform_training_draws_within_equal_segments(count: int, frames: int, seed: int) -> None:
    if count < frames:
        return
    tick = Fraction(count, frames)
    for x, index in enumerate(train_indices("uniform", count, frames, 1, Random(seed))):
        # A frame lasts from index to index + 1, and overlaps its segment.
        assert index < tick * (x + 1)
        assert index + 1 > tick * x


def test_uniform_training_draws_every_frame_of_a_segment_equally() -> None:
    drawn = [train_indices("uniform", 40, 4, 1, Random(k)) for k in range(4000)]
    for x, column in enumerate(zip(*drawn, strict=True)):
        found, times = np.unique(column, return_counts=True)
        assert found.tolist() == list(range(10 * x, 10 * x + 10))
        assert times.min() > 300  # 400 expected, 19 standard deviation
    # Segments are drawn apart, not with one offset for all.
    offsets = {tuple(index % 10 for index in indices) for indices in drawn}
    assert len(offsets) > 2000


def test_uniform_video_level_is_shifted_by_minus_five_to_four() -> None:
    views = view_indices("uniform", 240, 8, 1, 10)
    middle = np.arange(8) * 30 + 15
    assert [(np.array(view) - middle).tolist() for view in views] == [
        [shift] * 8 for shift in range(-5, 5)
    ]


@pytest.mark.parametrize("count", [8, 9, 17, 30, 47, 64, 79, 80, 200])
def test_shifts_stay_within_their_segment_as_in_the_studys_code(count: int) -> None:
    def reference(shift: int) -> list[int]:
        tick = count / 8.0
        shift_by = max(min(shift, tick / 2.0 - 1e-4), -tick / 2.0)
        return sorted(int(tick / 2.0 + shift_by + tick * x) for x in range(8))

    assert view_indices("uniform", count, 8, 1, 10) == [reference(i) for i in range(-5, 5)]


def test_videos_shorter_than_a_clip_are_drawn_from_as_in_the_studys_code() -> None:
    views = view_indices("uniform", 5, 8, 1, 2)
    for clip, view in enumerate(views):
        state = np.random.RandomState(clip)
        assert view == sorted(state.choice(5, 8).tolist())
    drawn = {tuple(train_indices("uniform", 5, 8, 1, Random(k))) for k in range(50)}
    assert len(drawn) > 10
    assert all(list(indices) == sorted(indices) for indices in drawn)


def test_dense_clips_are_of_frames_a_stride_apart() -> None:
    assert view_indices("dense", 100, 8, 2, 1) == [[0, 2, 4, 6, 8, 10, 12, 14]]
    starts = {train_indices("dense", 40, 8, 2, Random(k))[0] for k in range(2000)}
    assert starts == set(range(40 - 16 + 1))
    for k in range(20):
        indices = train_indices("dense", 40, 8, 2, Random(k))
        assert np.diff(indices).tolist() == [2] * 7


@given(st.integers(16, 400))
def test_dense_video_level_starts_at_ten_even_places(count: int) -> None:
    views = view_indices("dense", count, 8, 2, 10)
    last = count - 16
    assert [view[0] for view in views] == [floor(Fraction(last * k, 9)) for k in range(10)]
    assert views[-1] == list(range(last, count, 2))


def test_short_videos_begin_again() -> None:
    assert view_indices("dense", 5, 8, 1, 1) == [[0, 1, 2, 3, 4, 0, 1, 2]]
    assert train_indices("dense", 5, 8, 1, Random(0)) == [0, 1, 2, 3, 4, 0, 1, 2]
    assert view_indices("tsm", 20, 8, 1, 1) == [[0, 8, 16, 4, 12, 0, 8, 16]]
    assert view_indices("vmz", 3, 8, 1, 1) == [[0, 1, 2, 0, 1, 2, 0, 1]]


@pytest.mark.parametrize("count", [8, 9, 23, 100])
def test_tsn_segments_are_of_whole_frames(count: int) -> None:
    length = count // 8
    drawn = np.array([train_indices("tsn", count, 8, 1, Random(k)) for k in range(300)])
    for x in range(8):
        assert set(drawn[:, x]) == set(range(x * length, (x + 1) * length))
    tick = count / 8.0
    middle = [int(tick / 2.0 + tick * x) for x in range(8)]
    assert view_indices("tsn", count, 8, 1, 1) == [middle]
    assert view_indices("tsn", count, 8, 1, 2) == [middle, [int(tick * x) for x in range(8)]]


def test_tsn_shows_a_short_videos_first_frame_in_training() -> None:
    assert train_indices("tsn", 7, 8, 1, Random(0)) == [0] * 8


def test_tsm_spreads_a_clip_over_64_frames() -> None:
    assert view_indices("tsm", 300, 8, 1, 1) == [[0, 8, 16, 24, 32, 40, 48, 56]]
    views = view_indices("tsm", 300, 16, 1, 10)
    wanted = np.linspace(0, 300 - 64, num=10, dtype=int)
    assert [view[0] for view in views] == wanted.tolist()
    assert all(np.diff(view).tolist() == [4] * 15 for view in views)
    starts = {train_indices("tsm", 70, 8, 1, Random(k))[0] for k in range(300)}
    assert starts == set(range(7))


def test_vmz_takes_consecutive_frames_from_anywhere() -> None:
    starts = set()
    for k in range(300):
        indices = train_indices("vmz", 20, 16, 1, Random(k))
        assert indices == list(range(indices[0], indices[0] + 16))
        starts.add(indices[0])
    assert starts == {0, 1, 2, 3, 4}
    assert view_indices("vmz", 25, 16, 1, 10) == [list(range(k, k + 16)) for k in range(10)]
    assert view_indices("vmz", 24, 16, 1, 1) == [list(range(4, 20))]


@pytest.mark.parametrize("numbers", [(0, 8, 1), (8, 0, 1), (8, 8, 0)])
def test_numbers_must_be_positive(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="not positive"):
        train_indices("uniform", *numbers, Random(0))
    with pytest.raises(ValueError, match="not positive"):
        view_indices("uniform", *numbers, 1)
