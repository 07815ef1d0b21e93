"""Which frames of a video make a clip, as the studies and the public code bases take them.

``uniform`` and ``dense`` are those of Chen et al., CVPR 2021: a frame of each of equal segments, or
consecutive frames. ``tsn`` (Wang et al., ECCV 2016) takes segments too, of whole frames. ``tsm``
(Lin et al., ICCV 2019, on Kinetics) spreads its frames over 64 consecutive ones. ``vmz`` (Tran et
al., CVPR 2018) takes consecutive frames from anywhere. Frames count from 0. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final, Literal, get_args

import numpy as np

Sampling = Literal["uniform", "dense", "tsn", "tsm", "vmz"]
STRATEGIES: Final[tuple[Sampling, ...]] = get_args(Sampling)
_WINDOW: Final = 64
"""Consecutive frames that a clip of TSM's spans."""


def train_indices(
    strategy: Sampling, count: int, frames: int, stride: int, rng: Random
) -> list[int]:
    """Return the frames of a clip to learn from.

    Args:
        strategy: how they are chosen.
        count: frames that the video has.
        frames: frames of a clip.
        stride: from one frame to the next where they are consecutive (dense, vmz).
        rng: draws what is random.

    Raises:
        ValueError: if a number is not positive, or the strategy has no such name.
    """
    _check(count, frames, stride)
    if strategy == "uniform":
        return _uniform_train(count, frames, rng)
    if strategy == "tsn":
        return _tsn_train(count, frames, rng)
    step = _step(strategy, frames, stride)
    return _from(rng.randrange(_starts(strategy, count, frames, step)), count, frames, step)


def view_indices(
    strategy: Sampling, count: int, frames: int, stride: int, clips: int
) -> list[list[int]]:
    """Return the frames of each clip of a video in testing: 1 at clip level, 10 at video level.

    Arguments and errors are those of ``train_indices``; nothing here is random.
    """
    _check(count, frames, stride, clips)
    if strategy == "uniform":
        return [
            _uniform_view(count, frames, shift, clip)
            for clip, shift in enumerate(range(-(clips // 2), clips - clips // 2))
        ]
    if strategy == "tsn":
        return _tsn_views(count, frames, clips)
    step = _step(strategy, frames, stride)
    last = _starts(strategy, count, frames, step) - 1
    if clips > 1:
        starts = [last * clip // (clips - 1) for clip in range(clips)]
    else:
        starts = [last // 2 if strategy == "vmz" else 0]
    return [_from(start, count, frames, step) for start in starts]


def _check(count: int, frames: int, stride: int, clips: int = 1) -> None:
    if min(count, frames, stride, clips) < 1:
        raise ValueError(f"not positive: {count=}, {frames=}, {stride=}, {clips=}")


def _uniform_train(count: int, frames: int, rng: Random) -> list[int]:
    """Return a random frame of each of the equal segments, whose ends need not be whole frames.

    A video of fewer frames gives some of them twice, in order, as the study's code does.
    """
    if count < frames:
        return sorted(rng.randrange(count) for _ in range(frames))
    # min: the product may round up to the segment's end.
    return [min(int((x + rng.random()) * count / frames), count - 1) for x in range(frames)]


def _uniform_view(count: int, frames: int, shift: int, clip: int) -> list[int]:
    """Return the middle frame of each segment, shifted by whole frames but not out of it."""
    if count < frames:
        # The study's code draws these from NumPy's generator, seeded by the number of the clip.
        drawn = np.random.RandomState(clip).choice(count, frames)
        return sorted(int(index) for index in drawn)
    chosen = []
    for x in range(frames):
        middle = (2 * x + 1) * count // (2 * frames)
        first, past = x * count // frames, -(-(x + 1) * count // frames)
        if 2 * frames * shift >= count:
            chosen.append(past - 1)
        elif 2 * frames * shift < -count:
            chosen.append(first)
        else:
            chosen.append(middle + shift)
    return chosen


def _tsn_train(count: int, frames: int, rng: Random) -> list[int]:
    """Return a random frame of each segment of whole frames; what is left at the end is not seen.

    A video of fewer frames gives its first one only, as the public code does.
    """
    length = count // frames
    if not length:
        return [0] * frames
    return [x * length + rng.randrange(length) for x in range(frames)]


def _tsn_views(count: int, frames: int, clips: int) -> list[list[int]]:
    """Return the middle of each segment; of two clips the second takes their starts (TSM's test).

    More clips are spread evenly over the segments.
    """
    if clips == 1:
        parts = [(1, 2)]
    else:
        parts = [((clips // 2 + clip) % clips, clips) for clip in range(clips)]
    return [[(x * of + part) * count // (of * frames) for x in range(frames)] for part, of in parts]


def _step(strategy: Sampling, frames: int, stride: int) -> int:
    steps: dict[str, Callable[[], int]] = {
        "dense": lambda: stride,
        "vmz": lambda: stride,
        "tsm": lambda: max(1, _WINDOW // frames),
    }
    if strategy not in steps:
        raise ValueError(f"no strategy {strategy!r}: one of {', '.join(STRATEGIES)}")
    return steps[strategy]()


def _starts(strategy: Sampling, count: int, frames: int, step: int) -> int:
    """Return how many starts leave room for a clip; a short video has one."""
    span = {"tsm": _WINDOW, "vmz": (frames - 1) * step + 1}.get(strategy, frames * step)
    return max(1, count - span + 1)


def _from(start: int, count: int, frames: int, step: int) -> list[int]:
    """Return frames a step apart; past the end of a short video it begins again."""
    return [(start + x * step) % count for x in range(frames)]
