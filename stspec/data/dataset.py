"""Samples of a manifest as clips, each told by its key alone; what cannot be read is named."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stspec.data.augment import Augmentation, Clip
from stspec.data.open import open_sample
from stspec.data.sample import Manifest, Sample
from stspec.data.video import DecodeError, Video
from stspec.diagnostics import SpecError
from stspec.rng import keyed

Broken = Literal["error", "skip", "substitute"]
Decoder = Literal["auto", "pyav", "torchcodec"]
Opener = Callable[[Manifest, Sample], Video]
_TRIES = 16
"""Samples that are tried in place of one that cannot be read."""


@dataclass(frozen=True, slots=True)
class TrainKey:
    """A clip to learn from."""

    epoch: int
    index: int


@dataclass(frozen=True, slots=True)
class ViewKey:
    """A view of testing."""

    index: int
    view: int


class Item(TypedDict):
    """A clip, or why there is none."""

    clip: Tensor | None
    """uint8 (C, T, H, W); None where the video cannot be read and nothing stands in."""
    labels: Tensor
    """int64 scalar, -1 where there is none; of several labels, float32 (classes,) of 0 and 1."""
    index: int
    """The sample's place in the manifest, also where another one stands in."""
    view: int
    fault: str | None
    """What could not be read, and what was done instead."""


class ClipDataset(Dataset[Item]):
    """Clips of a manifest's samples. An item depends on its key, the seed and the files alone.

    Args:
        manifest: the samples.
        augmentation: how clips are taken from videos.
        seed: of all that is drawn.
        broken: what an unreadable video leads to: ``error`` stops (the loader raises), ``skip``
            leaves it out, ``substitute`` trains on another sample, drawn by key. Testing has no
            substitutes: it leaves out. Each case is told in the item's ``fault``.
        decoder: which library decodes.
        opener: opens samples in place of ``open_sample``.
    """

    def __init__(
        self,
        manifest: Manifest,
        augmentation: Augmentation,
        *,
        seed: int,
        broken: Broken = "error",
        decoder: Decoder = "auto",
        opener: Opener | None = None,
    ) -> None:
        self.augmentation = augmentation
        self.seed = seed
        self.broken: Broken = broken
        self.classes = manifest.classes
        self._frame = manifest.with_samples(())
        self._samples = _Packed(manifest.samples)
        self._decoder: Decoder = decoder
        self._opener = opener
        self._kept: _Kept | None = None

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, key: TrainKey | ViewKey) -> Item:
        """Return a clip.

        Raises:
            TypeError: if the key is neither a TrainKey nor a ViewKey.
        """
        if isinstance(key, TrainKey):
            return self._train(key)
        if isinstance(key, ViewKey):
            return self._view(key)
        raise TypeError(f"keys are TrainKey(epoch, index) or ViewKey(index, view), not {key!r}")

    def sample(self, index: int) -> Sample:
        """Return a sample of the manifest."""
        return self._samples[index]

    def __getstate__(self) -> dict[str, object]:
        # An open video stays in its process.
        return self.__dict__ | {"_kept": None}

    def _train(self, key: TrainKey) -> Item:
        sample = self.sample(key.index)
        try:
            return self._item(self._clip(sample, key.epoch), key.index, 0, None)
        except DecodeError as error:
            fault = str(error)
        if self.broken != "substitute":
            return self._without(sample, key.index, 0, fault)
        for attempt in range(_TRIES):
            rng = keyed(self.seed, "substitute", key.epoch, sample.id, attempt)
            other = self.sample(rng.randrange(len(self)))
            try:
                clip = self._clip(other, key.epoch)
            except DecodeError:
                continue
            return self._item(clip, key.index, 0, f"{fault}; {other.id} stands in")
        fault += f"; {_TRIES} others, drawn to stand in, cannot be read either"
        return self._without(sample, key.index, 0, fault)

    def _view(self, key: ViewKey) -> Item:
        sample = self.sample(key.index)
        try:
            clip = self.augmentation.view(self._keep(key.index, sample), sample, key.view)
        except DecodeError as error:
            self._let_go()
            return self._without(sample, key.index, key.view, str(error))
        if key.view == self.augmentation.view_count - 1:
            self._let_go()
        return self._item(clip, key.index, key.view, None)

    def _clip(self, sample: Sample, epoch: int) -> Clip:
        with self._open(sample) as video:
            return self.augmentation.train(video, sample, epoch, self.seed)

    def _open(self, sample: Sample) -> Video:
        if self._opener is not None:
            return self._opener(self._frame, sample)
        try:
            return open_sample(self._frame, sample, self._decoder)
        except SpecError as error:
            # A worker cannot hand over a diagnosis; a fault of the video's it can.
            path = str(self._frame.path(sample))
            raise DecodeError(path, error.diagnostics[0].message) from error

    def _keep(self, index: int, sample: Sample) -> Video:
        """Return the sample's video, left open: its other views are asked for next."""
        kept = self._kept
        if kept is not None and kept.process != os.getpid():
            # It was opened before a fork, and is the other process's to close.
            kept = self._kept = None
        if kept is None or kept.index != index:
            self._let_go()
            kept = self._kept = _Kept(os.getpid(), index, self._open(sample))
        return kept.video

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept.video.close()
            self._kept = None

    def _item(self, clip: Clip, index: int, view: int, fault: str | None) -> Item:
        return Item(
            clip=clip.pixels,
            labels=self._labels(clip.labels),
            index=index,
            view=view,
            fault=fault,
        )

    def _without(self, sample: Sample, index: int, view: int, fault: str) -> Item:
        labels = self._labels(sample.labels)
        return Item(clip=None, labels=labels, index=index, view=view, fault=fault)

    def _labels(self, labels: tuple[int, ...]) -> Tensor:
        if not self._frame.multi_label:
            return torch.tensor(labels[0] if labels else -1)
        present = torch.zeros(len(self.classes))
        present[list(labels)] = 1
        return present


@dataclass(frozen=True, slots=True)
class _Kept:
    process: int
    index: int
    video: Video


class _Packed:
    """Samples as bytes: workers count references to objects, which would copy all of them."""

    def __init__(self, samples: tuple[Sample, ...]) -> None:
        packed = [pickle.dumps(sample) for sample in samples]
        self._ends = np.cumsum([len(one) for one in packed], dtype=np.int64)
        self._bytes = np.frombuffer(b"".join(packed), np.uint8)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        start = self._ends[index - 1] if index else 0
        sample = pickle.loads(self._bytes[start : self._ends[index]].tobytes())
        assert isinstance(sample, Sample)
        return sample
