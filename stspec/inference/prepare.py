"""Frames of a window become clips, as in testing: resized, cut out, not yet normalised."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stspec.data.transforms import (
    Filter,
    crop,
    mirror,
    resize,
    rgb_difference,
    short_side_size,
    to_clip,
    view_boxes,
)


@dataclass(frozen=True, slots=True)
class Prepare:
    """What is done with the frames of a window. Runs where they are decoded."""

    short_side: int
    size: tuple[int, int]
    """Height and width of a crop."""
    crops: int = 1
    resize: tuple[int, int] | None = None
    """Height and width in place of a short side."""
    filter: Filter = "bilinear"
    antialias: bool = True
    differences: bool = False
    """Clips are differences of neighbouring frames: one frame more comes in than goes out."""

    def __call__(self, frames: Tensor) -> Tensor:
        """Return clips uint8 (crops, C, T, H, W) of frames uint8 (T, H, W, C)."""
        height, width = int(frames.shape[1]), int(frames.shape[2])
        tall, wide = self.resize or short_side_size(height, width, self.short_side)
        tall, wide = max(tall, self.size[0]), max(wide, self.size[1])
        frames = resize(frames, tall, wide, self.filter, self.antialias)
        if self.differences:
            frames = rgb_difference(frames[:-1], frames[1:])
        boxes = view_boxes(tall, wide, self.size, self.crops)
        parts = [crop(frames, box) for box in boxes]
        if self.crops == 10:
            parts = [*parts[:5], *(mirror(part) for part in parts[5:])]
        return torch.stack([to_clip(part) for part in parts])
