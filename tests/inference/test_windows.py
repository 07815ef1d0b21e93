"""Windows cover a video, and clips take the middle frames of their parts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from stspec.inference.windows import Length, window_count, windows

SIZES = st.integers(1, 40)


@given(st.integers(1, 300), SIZES, SIZES, SIZES)
def test_windows_hold_every_frame_once_or_more(
    count: int, frames: int, length: int, every: int
) -> None:
    found = list(windows(count, frames, length, every))
    assert len(found) == window_count(count, length, every)
    size = min(length, count)
    assert all(w.last - w.first + 1 == size for w in found)
    assert all(a.first < b.first <= a.first + every for a, b in pairwise(found))
    assert found[0].first == 0 and found[-1].last <= count - 1
    if every <= length:
        held = {i for w in found for i in range(w.first, w.last + 1)}
        assert held == set(range(count))
    for window in found:
        assert len(window.indices) == frames
        assert list(window.indices) == sorted(window.indices)
        assert window.first <= window.indices[0] and window.indices[-1] <= window.last


def test_the_last_window_ends_with_the_video() -> None:
    spans = [(w.first, w.last) for w in windows(10, 2, 4, 4)]
    assert spans == [(0, 3), (4, 7), (6, 9)]


def test_a_window_of_frames_times_stride_is_a_dense_clip() -> None:
    (window,) = windows(16, 4, 16, 16)
    assert window.indices == (2, 6, 10, 14)
    assert next(windows(100, 8, 8, 8)).indices == tuple(range(8))


def test_short_videos_repeat_frames() -> None:
    assert [w.indices for w in windows(2, 8, 64, 32)] == [(0, 0, 0, 0, 1, 1, 1, 1)]


def test_times_follow_from_the_rate() -> None:
    window = list(windows(75, 2, 25, 25))[1]
    assert window.times(25.0) == (1.0, 2.0) and window.times(None) is None


def test_lengths_are_frames_or_seconds() -> None:
    assert Length.parse("64", "--window").frames(10.0) == 64
    assert Length.parse("2.5s", "--window").frames(30.0) == 75
    assert Length.parse("1s", "--window").frames(None) == 25
    assert str(Length.parse("2.50 s", "--window")) == "2.5s"


@pytest.mark.parametrize("text", ["", "0", "0s", "-3", "2.5", "3m", "s"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="--window cannot be"):
        Length.parse(text, "--window")
