"""What a study is made of: runs that are planned, and results that are known. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stspec.source.nodes import Plain

Source = Literal["yours", "published"]


@dataclass(frozen=True, slots=True)
class Facets:
    """What runs are compared by, in the field's words; derived from the compiled spec.

    `temporal_pooling` tells whether time is pooled between stages, `sampling` how frames are
    chosen (uniform, dense).
    """

    data: str
    backbone: str
    policy: str
    temporal_pooling: bool
    frames: int
    sampling: str = "uniform"
    head: str = ""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that a study asks for, all that its result depends on resolved.

    The spec and the recipe stand in the store under the digests, so that a worker trains what was
    planned, whatever has become of the files since.
    """

    key: str
    """16 hexadecimal digits: of the math and the first weights of the model, the recipe, the data,
    the seed, and the key of the run that it starts from."""
    name: str
    """Readable, one of its own within the study: `tam_resnet18-f8-s0`."""
    settings: Mapping[str, Plain]
    """The paths that vary within the study, and what this run has there, in the study's order."""
    facets: Facets
    spec: str
    """Digest of the resolved spec."""
    recipe: str
    """Digest of the resolved recipe."""
    data: str
    seed: int
    weights: str | None = None
    """The checkpoint that it starts from, where it starts from no other run."""
    image: bool = False
    """Whether that is of an image network, and is to be inflated."""
    after: str | None = None
    """The key of the run whose weights it starts from."""
    params: int = 0
    macs: int = 0
    """Of one clip, in multiply-accumulates of all operators."""


@dataclass(frozen=True, slots=True)
class Result:
    """What is known of a finished run, or of a published one. Shares lie in [0, 1]."""

    key: str
    name: str
    facets: Facets
    settings: Mapping[str, Plain]
    top1: float | None
    top5: float | None
    mean_class: float | None
    params: int
    macs: int
    seed: int | None = None
    source: Source = "yours"
    folder: Path | None = None
    """The run's folder in the store; none of what is published."""
    extra: Mapping[str, Plain] = field(default_factory=dict)
    """More figures by name, such as a table's other columns, seconds, memory in bytes."""

    @property
    def predictions(self) -> Path | None:
        """Return the file of the predictions on the validation videos, if there is one."""
        return None if self.folder is None else self.folder / "predictions.npz"
