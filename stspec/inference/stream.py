"""Clips of many videos as one stream, read by workers; memory does not grow with the list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from stspec.data.augment import Augmentation
from stspec.data.open import Decoder, Piece, open_sample
from stspec.data.sample import Manifest, Sample
from stspec.data.transforms import normalise
from stspec.data.video import DecodeError, Video
from stspec.evaluate.runner import Precision, mixed
from stspec.inference.windows import Length, Window, windows


@dataclass(frozen=True, slots=True)
class Seen:
    """A clip of a video, or what is wrong with the video."""

    index: int
    """The video's number in the manifest."""
    count: int = 0
    """Frames of the video."""
    rate: float | None = None
    clips: Tensor | None = None
    """uint8 (crops, C, T, H, W)."""
    window: Window | None = None
    last: bool = True
    """Whether it is the video's last piece."""
    fault: str | None = None


Cut = Callable[[Video, Sample], Iterable[tuple[Tensor, Window | None]]]
"""Gives the clips of a video, with the window that each is of; runs in the worker."""


@dataclass(frozen=True, slots=True)
class Sliding:
    """Cuts videos into windows and sees each of them as a video of its own.

    A window gives the clips and crops that the augmentation has in testing.
    """

    augmentation: Augmentation
    length: Length | None = None
    """None: one window is the whole video."""
    every: Length | None = None
    """From one window's start to the next one's; None: the length."""

    def __call__(self, video: Video, sample: Sample) -> Iterator[tuple[Tensor, Window | None]]:
        """Yield uint8 clips (views, C, T, H, W) of each window."""
        if self.length is None:
            yield self._clips(video, sample), None
            return
        length = self.length.frames(video.rate)
        every = self.every.frames(video.rate) if self.every else length
        for window in windows(video.count, length, every):
            piece = Piece(video, sample.path, window.first, window.count)
            yield self._clips(piece, sample), window

    def _clips(self, video: Video, sample: Sample) -> Tensor:
        return torch.stack([clip.pixels for clip in self.augmentation.views(video, sample)])


class Stream(IterableDataset[Seen]):
    """The pieces of some videos of a manifest; each worker reads every so-manieth video."""

    def __init__(
        self, manifest: Manifest, numbers: Sequence[int], cut: Cut, decoder: Decoder = "auto"
    ) -> None:
        self.manifest, self.numbers, self.cut, self.decoder = manifest, numbers, cut, decoder

    def __iter__(self) -> Iterator[Seen]:
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        for number in self.numbers[first::step]:
            yield from self._video(number)

    def _video(self, number: int) -> Iterator[Seen]:
        sample = self.manifest.samples[number]
        try:
            with open_sample(self.manifest, sample, self.decoder) as video:
                if video.count < 1:
                    raise DecodeError(sample.path, "it has no frames")
                before: Seen | None = None
                for clips, window in self.cut(video, sample):
                    if before is not None:
                        yield before
                    before = Seen(number, video.count, video.rate, clips, window, last=False)
                assert before is not None, "a video has a clip"
                yield Seen(number, video.count, video.rate, before.clips, before.window, last=True)
        except DecodeError as error:
            yield Seen(number, fault=error.reason)


def loader(stream: Stream, workers: int) -> Iterable[Seen]:
    """Return the stream, read by so many workers; 0 reads in this process."""
    options: dict[str, Any] = {"prefetch_factor": 2} if workers else {}
    return DataLoader(
        stream,
        batch_size=None,
        num_workers=workers,
        worker_init_fn=_start_worker,
        generator=torch.Generator(),  # otherwise the loader draws from the global one
        **options,
    )


def _start_worker(_worker: int) -> None:
    torch.set_num_threads(1)


@dataclass(slots=True)
class Whole:
    """A video of which all clips have been through the module, or that cannot be read."""

    index: int
    count: int = 0
    rate: float | None = None
    windows: list[Window | None] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    """A value (crops, ...) for each window."""
    fault: str | None = None


@dataclass(slots=True)
class Engine:
    """A module with what it needs to take uint8 clips."""

    module: nn.Module
    mean: Sequence[float]
    std: Sequence[float]
    precision: Precision = "float32"
    read: Callable[[Tensor], Tensor] | None = None
    """Takes the scores of a run and gives what is wanted in their place."""

    def __call__(self, clips: Tensor) -> Tensor:
        """Return a value (N, ...) of uint8 clips (N, C, T, H, W), on the CPU."""
        device = next((p.device for p in self.module.parameters()), torch.device("cpu"))
        with torch.inference_mode(), mixed(device, self.precision):
            scores = self.module(normalise(clips.to(device), self.mean, self.std))
            value = self.read(scores) if self.read else scores
            return value.float().cpu()


def run(engine: Callable[[Tensor], Tensor], pieces: Iterable[Seen], batch: int) -> Iterator[Whole]:
    """Yield videos as they are complete.

    Clips of several videos fill a batch together where their sizes are equal. No more is held
    than the batch and the values of the videos that the workers are in the middle of.
    """
    open_: dict[int, Whole] = {}
    waiting: list[Seen] = []
    for piece in pieces:
        if piece.fault is not None:
            open_.pop(piece.index, None)
            waiting = [each for each in waiting if each.index != piece.index]
            yield Whole(piece.index, fault=piece.fault)
            continue
        if waiting and _size(waiting[0]) != _size(piece):
            yield from _flush(engine, waiting, open_)
            waiting = []
        waiting.append(piece)
        if sum(len(each.clips) for each in waiting if each.clips is not None) >= batch:
            yield from _flush(engine, waiting, open_)
            waiting = []
    yield from _flush(engine, waiting, open_)
    assert not open_, "every video has a last piece"


def _size(piece: Seen) -> tuple[int, ...]:
    assert piece.clips is not None
    return tuple(piece.clips.shape[1:])


def _flush(
    engine: Callable[[Tensor], Tensor], waiting: list[Seen], open_: dict[int, Whole]
) -> Iterator[Whole]:
    if not waiting:
        return
    clips = [piece.clips for piece in waiting if piece.clips is not None]
    values = engine(torch.cat(clips)).split([len(each) for each in clips])
    for piece, value in zip(waiting, values, strict=True):
        whole = open_.setdefault(piece.index, Whole(piece.index, piece.count, piece.rate))
        whole.windows.append(piece.window)
        # A copy: a slice would keep the values of the whole batch.
        whole.values.append(value.clone())
        if piece.last:
            yield open_.pop(piece.index)
