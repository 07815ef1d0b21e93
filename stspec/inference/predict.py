"""Classes of videos, whole or window by window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stspec.data.open import Decoder
from stspec.data.sample import Manifest, Sample
from stspec.evaluate.fuse import Exact, fuse
from stspec.evaluate.testing import Testing
from stspec.inference.stream import Engine, Sliding, Stream, Whole, loader, run
from stspec.inference.windows import Length, Window


@dataclass(frozen=True, slots=True)
class Guess:
    """A class, and its probability."""

    number: int
    name: str
    score: float


@dataclass(frozen=True, slots=True)
class Told:
    """The best classes of a window, or of the whole video where there is none."""

    window: Window | None
    times: tuple[float, float] | None
    """Start and end in seconds, where the video tells its rate."""
    top: tuple[Guess, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was found in a video, or why it cannot be read."""

    video: str
    frames: int
    rate: float | None
    top: tuple[Guess, ...]
    """Of the whole video: the views of all its windows, joined."""
    windows: tuple[Told, ...]
    fault: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        if self.fault is not None:
            return {"video": self.video, "fault": self.fault}
        found: dict[str, Any] = {
            "video": self.video,
            "frames": self.frames,
            "rate": self.rate,
            "top": _plain(self.top),
        }
        if self.windows:
            found["windows"] = [
                {
                    "first": told.window.first,
                    "last": told.window.last,
                    "start": told.times[0] if told.times else None,
                    "end": told.times[1] if told.times else None,
                    "top": _plain(told.top),
                }
                for told in self.windows
                if told.window is not None
            ]
        return found


def predict(
    engine: Engine,
    testing: Testing,
    videos: Sequence[Path],
    classes: Sequence[str],
    *,
    top: int = 5,
    length: Length | None = None,
    every: Length | None = None,
    batch: int = 8,
    workers: int = 0,
    multi_label: bool = False,
    decoder: Decoder = "auto",
) -> Iterator[Prediction]:
    """Yield the best classes of each video, in the order given.

    Args:
        engine: gives scores of clips.
        testing: which clips and crops are seen, and how their scores are joined.
        videos: files.
        classes: names of the scores.
        top: how many classes are told.
        length: of windows, each of which is seen as a video of its own; None: the whole video.
        every: from one window's start to the next one's; None: the length.
        batch: clips at once.
        workers: processes that read videos.
        multi_label: classes are independent.
        decoder: what reads the files.
    """
    samples = tuple(Sample(str(n), str(path.absolute())) for n, path in enumerate(videos))
    manifest = Manifest(Path("/"), samples, tuple(classes))
    cut = Sliding(testing.augmentation, length, every)
    stream = Stream(manifest, range(len(samples)), cut, decoder)
    waiting: dict[int, Prediction] = {}
    following = 0
    for whole in run(engine, loader(stream, workers), batch):
        name = str(videos[whole.index])
        waiting[whole.index] = _prediction(whole, name, testing, classes, top, multi_label)
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _prediction(
    whole: Whole, video: str, testing: Testing, classes: Sequence[str], top: int,
    multi_label: bool,
) -> Prediction:  # fmt: skip
    if whole.fault is not None:
        return Prediction(video, 0, None, (), (), whole.fault)

    if not all(value.isfinite().all() for value in whole.values):
        return Prediction(video, 0, None, (), (), "its scores are not finite")

    def joined(views: list[np.ndarray[Any, Any]]) -> tuple[Guess, ...]:
        logits = np.concatenate(views)[None]
        scores = fuse(logits, testing.fuse, testing.by, multi_label=multi_label)[0]
        return best(scores, classes, top)

    views = [value.numpy() for value in whole.values]
    pairs = zip(whole.windows, views, strict=True)
    told = tuple(Told(w, w.times(whole.rate), joined([v])) for w, v in pairs if w is not None)
    return Prediction(video, whole.count, whole.rate, joined(views), told)


def best(scores: Exact, classes: Sequence[str], top: int) -> tuple[Guess, ...]:
    """Return the best classes first; among equal ones the lower number."""
    order = np.argsort(-scores, kind="stable")[:top]
    return tuple(Guess(int(n), classes[int(n)], float(scores[n])) for n in order)


def _plain(top: Sequence[Guess]) -> list[dict[str, Any]]:
    return [{"class": g.name, "number": g.number, "score": g.score} for g in top]
