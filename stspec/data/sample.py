"""What is to be learnt from: samples, and a manifest of them. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

Kind = Literal["video", "frames", "flow"]
"""Video files; folders of images; folders of flow images, x and y apart."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A labelled piece of video."""

    id: str
    """Unique within the manifest; what predictions are written under."""
    path: str
    """A file, or a folder of frames; relative paths start from the manifest's root."""
    labels: tuple[int, ...] = ()
    first: int | None = None
    """First frame of the piece, counted from 0; None: from the start."""
    last: int | None = None
    """Last frame of the piece, itself included; None: to the end."""
    frames: int | None = None
    """Frames that the list promises, or that were counted; None: not known."""
    rate: float | None = None
    """Frames a second, where known."""


@dataclass(frozen=True)
class Manifest:
    """Samples in order, with the names of their classes."""

    root: Path
    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    kind: Kind = "video"
    template: str = "img_{:05d}.jpg"
    """Name of a frame's file; for flow, with ``{axis}`` for x and y."""
    start: int = 1
    """Number in the name of the first frame's file."""
    multi_label: bool = False
    source: str = ""
    """The list or folder that it was read from."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What was recognised: separator, columns, form. For people."""

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def path(self, sample: Sample) -> Path:
        """Return where a sample lies."""
        return self.root / sample.path

    def with_samples(self, samples: tuple[Sample, ...]) -> Manifest:
        """Return the manifest with other samples."""
        return replace(self, samples=samples)

    @cached_property
    def digest(self) -> str:
        """Return the fingerprint of samples, labels and classes; where they lie does not count."""
        rows = [asdict(sample) for sample in self.samples]
        text = json.dumps([rows, self.classes, self.kind, self.multi_label], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
