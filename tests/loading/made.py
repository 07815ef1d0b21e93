"""Videos that are made up: every pixel tells which video and which frame it is of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from stspec.data.augment import Augmentation
from stspec.data.dataset import ClipDataset
from stspec.data.sample import Manifest, Sample
from stspec.data.video import Closing, DecodeError

CLASSES = ("goes left", "goes right", "stands")


class MadeVideo(Closing):
    """Frames (H, W, 3): the video's number, the frame's, and the column's."""

    def __init__(self, number: int, count: int = 20, height: int = 12, width: int = 16) -> None:
        self.number, self.count, self.rate = number, count, 25.0
        self.closed = False
        self._shape = height, width

    def read(self, indices: Sequence[int]) -> Tensor:
        assert not self.closed
        frames = torch.empty(len(indices), *self._shape, 3, dtype=torch.uint8)
        frames[..., 0] = self.number
        frames[..., 1] = torch.tensor(list(indices), dtype=torch.uint8)[:, None, None]
        frames[..., 2] = torch.arange(self._shape[1], dtype=torch.uint8)
        return frames

    def close(self) -> None:
        self.closed = True


def sample(number: int, label: int | None = None) -> Sample:
    return Sample(f"v{number}", f"v{number}.mp4", (number % 3 if label is None else label,))


def manifest(count: int, broken: Sequence[int] = ()) -> Manifest:
    """Return samples v0, v1, ...; those that are broken end in .bad."""
    samples = tuple(
        Sample(f"v{k}", f"v{k}.bad" if k in broken else f"v{k}.mp4", (k % 3,)) for k in range(count)
    )
    return Manifest(Path("/made"), samples, CLASSES)


def opener(found: Manifest, sample: Sample) -> MadeVideo:
    if sample.path.endswith(".bad"):
        raise DecodeError(sample.path, "made to be broken")
    return MadeVideo(int(sample.id[1:]) % 256)


def augmentation(**changes: object) -> Augmentation:
    keys = {"frames": 4, "size": 8, "short_side": 12, "crop": "random", "classes": CLASSES}
    return Augmentation.model_validate(keys | changes)


def dataset(
    count: int = 23, *, broken: Sequence[int] = (), policy: str = "error", **changes: object
) -> ClipDataset:
    how = {"error": "error", "skip": "skip", "substitute": "substitute"}[policy]
    return ClipDataset(
        manifest(count, broken),
        augmentation(**changes),
        seed=5,
        broken=how,  # type: ignore[arg-type]
        opener=opener,
    )
