"""How a recipe tests: which clips and crops of a video, and how their scores are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from stspec.data.augment import Augmentation
from stspec.diagnostics import Diagnostic, SpecError
from stspec.evaluate.fuse import By, Fuse
from stspec.evaluate.views import Views
from stspec.network import Network

_DATA = ("stride", "short_side", "resize", "crop", "filter", "antialias", "differences", "flip")


@dataclass(frozen=True)
class Testing:
    """A protocol of testing."""

    __test__ = False

    augmentation: Augmentation
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fuse: Fuse
    by: By

    @property
    def views(self) -> Views:
        """Return how many views a video has."""
        return Views(self.augmentation.clips, self.augmentation.crops)

    @property
    def about(self) -> dict[str, Any]:
        """Return what a prediction depends on, as plain values."""
        a = self.augmentation
        return {
            "frames": a.frames,
            "size": list(a.test_size or a.size),
            "short_side": a.short_side,
            "sampling": a.test_sampling,
            "stride": a.stride,
            "views": str(self.views),
            "filter": a.filter,
            "antialias": a.antialias,
            "differences": a.differences,
            "mean": list(self.mean),
            "std": list(self.std),
        }


def testing(
    recipe: Mapping[str, Any],
    network: Network,
    *,
    views: Views | None = None,
    **changes: Any,
) -> Testing:
    """Return the protocol of a recipe for a network.

    Args:
        recipe: its ``data`` and ``test``, as plain values; what is left out has its default.
        network: whose clips they are.
        views: in place of the recipe's.
        changes: ``sampling``, ``size``, ``fuse``, ``by`` of ``test``, and ``stride``,
            ``short_side`` of ``data``, in place of the recipe's; None is no change.

    Raises:
        SpecError: if the values do not go together.
    """
    data = {**recipe.get("data", {})}
    test = {**recipe.get("test", {})}
    for name, value in changes.items():
        if value is not None:
            (data if name in ("stride", "short_side") else test)[name] = value
    clip = network.spec.model.clip
    seen = views or Views(test.get("clips", 1), test.get("crops", 1))
    values = {name: data[name] for name in _DATA if data.get(name) is not None}
    size = test.get("size")
    try:
        augmentation = Augmentation(
            **values,
            frames=clip.frames,
            size=tuple(clip.sides) if data.get("size") is None else data["size"],
            clips=seen.clips,
            crops=seen.crops,
            test_sampling=test.get("sampling", "uniform"),
            test_size=size if size is None else (size, size),
        )
    except ValidationError as error:
        reasons = "; ".join(_reason(dict(each)) for each in error.errors())
        raise SpecError(
            Diagnostic("bad-testing", f"videos cannot be tested so: {reasons}")
        ) from None
    return Testing(
        augmentation,
        _channels(data.get("mean", [0.485, 0.456, 0.406]), clip.channels),
        _channels(data.get("std", [0.229, 0.224, 0.225]), clip.channels),
        test.get("fuse", "probabilities"),
        test.get("by", "mean"),
    )


def _reason(error: Mapping[str, Any]) -> str:
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {error['msg']}" if where else str(error["msg"])


def _channels(values: Sequence[float], channels: int) -> tuple[float, ...]:
    """Return a value for each channel: those written, in turn."""
    return tuple(float(values[i % len(values)]) for i in range(channels))
