"""How videos are tested: which clips and crops are seen, and how their scores are joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stspec.data.augment import Augmentation
from stspec.evaluate.fuse import By, Fuse
from stspec.evaluate.views import Views


@dataclass(frozen=True)
class Testing:
    """A protocol of testing."""

    __test__ = False

    augmentation: Augmentation
    """Gives the views of a video."""
    mean: tuple[float, ...]
    """Of channels, in [0, 1]."""
    std: tuple[float, ...]
    fuse: Fuse = "probabilities"
    by: By = "mean"

    @property
    def views(self) -> Views:
        """Return how many views a video has."""
        return Views(self.augmentation.clips, self.augmentation.crops)

    @property
    def about(self) -> dict[str, Any]:
        """Return what a view's scores depend on, as plain values."""
        a = self.augmentation
        return {
            "frames": a.frames,
            "size": list(a.test_size or a.size),
            "short_side": a.short_side,
            "resize": a.resize,
            "whole_frame": a.crop == "none",
            "sampling": a.test_sampling,
            "stride": a.stride,
            "views": str(self.views),
            "filter": a.filter,
            "antialias": a.antialias,
            "differences": a.differences,
            "mean": list(self.mean),
            "std": list(self.std),
        }
