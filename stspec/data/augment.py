"""From an opened video to clips: which frames, which part of them, at which size.

Every draw is keyed by seed, epoch, sample and stage: nothing depends on who draws, or when.
"""

from __future__ import annotations

from functools import cached_property
from random import Random
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from stspec.data import transforms as tf
from stspec.data.flips import Flips, flips
from stspec.data.sample import Sample
from stspec.data.sampling import Sampling, train_indices, view_indices
from stspec.data.video import Video
from stspec.rng import keyed


class Clip(NamedTuple):
    """What a model is shown."""

    pixels: Tensor
    """uint8 (C, T, H, W), contiguous."""
    labels: tuple[int, ...]
    """The sample's; exchanged where the clip is mirrored and its class names a side."""


class Augmentation(BaseModel):
    """How clips are taken from videos, for training and in testing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = Field(ge=1)
    size: tuple[int, int]
    """Height and width of a clip; a number stands for both."""
    sampling: Sampling = "uniform"
    stride: int = Field(default=1, ge=1)
    short_side: int | tuple[int, int] = 256
    """Frames are resized to it first; of a range, a length is drawn for each clip."""
    resize: tuple[int, int] | None = None
    """Height and width in place of a short side."""
    crop: Literal["multi_scale", "random", "random_resized", "center", "none"] = "multi_scale"
    """``none`` resizes the whole frame to the clip's size."""
    scales: tuple[float, ...] = Field(default=(1, 0.875, 0.75, 0.66), min_length=1)
    places: Literal["corners", "grid"] = "corners"
    flip: Literal["auto"] | bool = "auto"
    classes: tuple[str, ...] = ()
    """Their names, which ``auto`` reads."""
    filter: tf.Filter = "bilinear"
    antialias: bool = True
    differences: bool = False
    """Differences of each frame and the next in place of the frames."""
    clips: int = Field(default=1, ge=1)
    crops: Literal[1, 3, 5, 10] = 1
    test_sampling: Sampling = "uniform"
    test_size: tuple[int, int] | None = None
    """Height and width of a crop in testing; the clip's if None."""

    @model_validator(mode="before")
    @classmethod
    def _square(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        both = {
            key: (side, side)
            for key in ("size", "test_size")
            if isinstance(side := values.get(key), int)
        }
        return values | both

    @model_validator(mode="after")
    def _fits(self) -> Augmentation:
        low, high = self._sides
        if not 1 <= low <= high:
            raise ValueError(f"short_side goes from {low} to {high}")
        if min(self.size) < 1 or (self.test_size and min(self.test_size) < 1):
            raise ValueError("a clip's sides are 1 or more")
        if any(not 0 < scale <= 1 for scale in self.scales):
            raise ValueError("scales are of the short side: above 0, up to 1")
        if self.crop in ("random", "center"):
            frame = self.resize or (low, low)
            if frame[0] < self.size[0] or frame[1] < self.size[1]:
                raise ValueError(
                    f"clips of {self.size[0]} x {self.size[1]} cannot be cut out of frames of "
                    f"{'x'.join(map(str, frame)) if self.resize else f'short side {low}'}"
                )
        return self

    @property
    def view_count(self) -> int:
        """Return how many views testing has of a video: clips times crops."""
        return self.clips * self.crops

    @cached_property
    def flips(self) -> Flips:
        """Return what a mirror does to each class."""
        return flips(self.classes, self.flip)

    def train(self, video: Video, sample: Sample, epoch: int, seed: int) -> Clip:
        """Return the clip that this sample gives in this epoch.

        Raises:
            DecodeError: if a frame cannot be read.
        """

        def rng(stage: str) -> Random:
            return keyed(seed, stage, epoch, sample.id)

        chosen = train_indices(
            self.sampling, video.count, self.frames, self.stride, rng("sampling")
        )
        frames = self._scaled(self._read(video, chosen), rng("short side").randint(*self._sides))
        height, width = frames.shape[1:3]
        box = self._box(rng("crop"), height, width)
        frames = self._resize(tf.crop(frames, box), self.size)
        labels = sample.labels
        if self.flip is not False and rng("flip").random() < 0.5:
            turned = self._turned(labels)
            if turned is not None:
                frames, labels = tf.mirror(frames), turned
        return Clip(tf.to_clip(frames), labels)

    def view(self, video: Video, sample: Sample, view: int) -> Clip:
        """Return one of the views of testing, counted by clips, then by crops.

        Raises:
            DecodeError: if a frame cannot be read.
        """
        clip, part = divmod(view, self.crops)
        return Clip(self._crops(self._clip(video, clip), [part])[0], sample.labels)

    def views(self, video: Video, sample: Sample) -> list[Clip]:
        """Return all views of testing, counted by clips, then by crops.

        Raises:
            DecodeError: if a frame cannot be read.
        """
        parts = range(self.crops)
        return [
            Clip(pixels, sample.labels)
            for clip in range(self.clips)
            for pixels in self._crops(self._clip(video, clip), parts)
        ]

    @property
    def _sides(self) -> tuple[int, int]:
        side = self.short_side
        return (side, side) if isinstance(side, int) else side

    def _turned(self, labels: tuple[int, ...]) -> tuple[int, ...] | None:
        if self.flip is True:
            return labels
        return self.flips.labels(labels) if labels else None

    def _read(self, video: Video, chosen: list[int]) -> Tensor:
        if not self.differences:
            return video.read(chosen)
        # The last frame has no next: what changed before it stands in.
        last = max(0, video.count - 2)
        before = [min(index, last) for index in chosen]
        after = [min(index + 1, video.count - 1) for index in before]
        frames = video.read([*before, *after])
        return tf.rgb_difference(frames[: len(chosen)], frames[len(chosen) :])

    def _scaled(self, frames: Tensor, side: int) -> Tensor:
        if self.resize:
            return self._resize(frames, self.resize)
        return self._resize(frames, tf.short_side_size(frames.shape[1], frames.shape[2], side))

    def _resize(self, frames: Tensor, size: tuple[int, int]) -> Tensor:
        return tf.resize(frames, *size, self.filter, self.antialias)

    def _box(self, rng: Random, height: int, width: int) -> tf.Box:
        if self.crop == "multi_scale":
            return tf.multi_scale_box(rng, height, width, self.size, self.scales, self.places)
        if self.crop == "random":
            return tf.random_box(rng, height, width, self.size)
        if self.crop == "random_resized":
            return tf.random_resized_box(rng, height, width)
        if self.crop == "center":
            return tf.center_box(height, width, self.size)
        return tf.Box(0, 0, height, width)

    def _clip(self, video: Video, clip: int) -> Tensor:
        """Return the frames of a clip of testing (T, H, W, C), resized but not cropped."""
        chosen = view_indices(
            self.test_sampling, video.count, self.frames, self.stride, self.clips
        )[clip]
        size = self.test_size or self.size
        frames = self._read(video, chosen)
        if self.crop == "none" and self.crops == 1:
            return self._resize(frames, size)
        if self.resize and self.resize[0] >= size[0] and self.resize[1] >= size[1]:
            return self._resize(frames, self.resize)
        side = max(self._sides[0], *size)
        return self._resize(frames, tf.short_side_size(frames.shape[1], frames.shape[2], side))

    def _crops(self, frames: Tensor, parts: range | list[int]) -> list[Tensor]:
        height, width = frames.shape[1:3]
        boxes = tf.view_boxes(height, width, self.test_size or self.size, self.crops)
        cut = []
        for part in parts:
            view = tf.crop(frames, boxes[part])
            cut.append(tf.to_clip(tf.mirror(view) if part >= 5 else view))
        return cut
