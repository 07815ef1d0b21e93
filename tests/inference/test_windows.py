"""Windows cover a video."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from stspec.inference.windows import Length, windows

SIZES = st.integers(1, 40)


@given(st.integers(1, 300), SIZES, SIZES)
def test_windows_hold_every_frame_once_or_more(count: int, length: int, every: int) -> None:
    found = list(windows(count, length, every))
    assert all(w.count == min(length, count) for w in found)
    assert all(a.first < b.first <= a.first + every for a, b in pairwise(found))
    assert found[0].first == 0 and found[-1].last <= count - 1
    if every <= length:
        held = {i for w in found for i in range(w.first, w.last + 1)}
        assert held == set(range(count))


def test_the_last_window_ends_with_the_video() -> None:
    spans = [(w.first, w.last) for w in windows(10, 4, 4)]
    assert spans == [(0, 3), (4, 7), (6, 9)]


def test_times_follow_from_the_rate() -> None:
    window = list(windows(75, 25, 25))[1]
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
