"""A module looks at every view of every video once, on one process or shared between several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import nn

from stspec.data.sample import Manifest
from stspec.data.transforms import normalise
from stspec.diagnostics import Diagnostic, SpecError
from stspec.evaluate.fuse import By, Fuse, Scores
from stspec.evaluate.predictions import Predictions
from stspec.evaluate.views import Views

Precision = Literal["float32", "bfloat16", "float16"]
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}

Batch = Mapping[str, Any]
"""What `eval_loader` gives: clips, indices, views, and faults of videos that are left out."""


@dataclass(slots=True)
class Part:
    """What one process has seen: of each view its video's number, its own, and its scores."""

    indices: list[int] = field(default_factory=list)
    views: list[int] = field(default_factory=list)
    rows: list[Scores] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Videos that could not be read, each as path and reason."""


def evaluate(
    module: nn.Module,
    batches: Iterable[Batch],
    manifest: Manifest,
    *,
    views: Views,
    mean: Sequence[float],
    std: Sequence[float],
    fuse: Fuse = "probabilities",
    by: By = "mean",
    precision: Precision = "float32",
    rank: int = 0,
    world: int = 1,
    about: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Predictions:
    """Return the scores of every view of every video; all processes return the same.

    Args:
        module: gives scores (N, K) of clips (N, C, T, H, W), on the device of its parameters. It
            runs in evaluation mode and is left in the mode that it was in.
        batches: this process's share of the views, uint8 clips, as ``eval_loader`` gives them.
        manifest: the videos, in the order that the batches number.
        views: how many there are of each video.
        mean: of channels, in [0, 1].
        std: of channels, in [0, 1].
        fuse: what is joined over views.
        by: how.
        precision: of products (autocast).
        rank: of this process.
        world: how many processes share the views, through torch.distributed's default group.
        about: where module and data are from, kept with the predictions.
        progress: is told how many views each batch held.

    Raises:
        SpecError: if no video could be read.
        RuntimeError: if a view was seen twice or not at all: a mistake in what gave the batches.
    """
    part = Part()
    was_training = module.training
    module.eval()
    try:
        _run(module, batches, part, mean, std, precision, progress)
    finally:
        module.train(was_training)
    return _joined(_gathered(part, rank, world), manifest, views, fuse, by, about or {})


def _run(
    module: nn.Module, batches: Iterable[Batch], part: Part, mean: Sequence[float],
    std: Sequence[float], precision: Precision, progress: Callable[[int], None] | None,
) -> None:  # fmt: skip
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    for batch in batches:
        part.faults.extend(batch["faults"])
        if not len(batch["indices"]):
            continue
        with torch.inference_mode(), mixed(device, precision):
            clips = normalise(batch["clips"].to(device, non_blocking=True), mean, std)
            logits = module(clips).float().cpu().numpy()
        part.indices.extend(batch["indices"].tolist())
        part.views.extend(batch["views"].tolist())
        part.rows.extend(logits)
        if progress is not None:
            progress(len(logits))


def mixed(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """Return the context in which products are computed in a precision."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, DTYPES[precision])


def _gathered(part: Part, rank: int, world: int) -> list[Part]:
    """Return the parts of all processes, through a group that needs no device memory."""
    if world == 1:
        return [part]
    group = None
    if dist.get_backend() != "gloo":
        group = dist.new_group(backend="gloo")
    parts: list[Part] = [Part()] * world
    dist.all_gather_object(parts, part, group=group)
    assert parts[rank].indices == part.indices
    return parts


def _joined(
    parts: Sequence[Part], manifest: Manifest, views: Views, fuse: Fuse, by: By,
    about: Mapping[str, Any],
) -> Predictions:  # fmt: skip
    faults = _by_video(parts, manifest)
    kept = [index for index in range(len(manifest)) if index not in faults]
    if not kept:
        message = f"none of the {len(manifest)} videos could be read"
        raise SpecError(Diagnostic("no-videos", message, help=next(iter(faults.values()), None)))
    logits = _in_order(parts, kept, len(manifest), views.count, len(manifest.classes))
    samples = [manifest.samples[index] for index in kept]
    return Predictions(
        ids=tuple(sample.id for sample in samples),
        labels=tuple(sample.labels for sample in samples),
        logits=logits,
        classes=manifest.classes,
        views=views,
        fuse=fuse,
        by=by,
        multi_label=manifest.multi_label,
        faults={manifest.samples[index].id: reason for index, reason in sorted(faults.items())},
        about=about,
    )


def _by_video(parts: Sequence[Part], manifest: Manifest) -> dict[int, str]:
    """Return the reason by the number of the video; a fault begins with the video's path."""
    faults = sorted({fault for part in parts for fault in part.faults})
    found: dict[int, str] = {}
    for index, sample in enumerate(manifest) if faults else ():
        path = str(manifest.path(sample))
        reason = next((f for f in faults if f.startswith((f"{path}:", f"{path}/"))), None)
        if reason is not None:
            found[index] = reason.removeprefix(f"{path}: ")
    return found


def _in_order(
    parts: Sequence[Part], kept: Sequence[int], videos: int, views: int, classes: int
) -> Scores:
    """Return scores (N, V, K) of the videos kept, after checking that each view is there once."""
    seen = np.zeros((videos, views), dtype=np.int64)
    logits: Scores = np.full((videos, views, classes), np.nan, dtype=np.float32)
    for part in parts:
        at: tuple[NDArray[np.int64], NDArray[np.int64]] = (
            np.asarray(part.indices, dtype=np.int64),
            np.asarray(part.views, dtype=np.int64),
        )
        np.add.at(seen, at, 1)
        if part.rows:
            logits[at] = np.stack(part.rows)
    counts = seen[list(kept)]
    if (counts != 1).any():
        twice, never = int((counts > 1).sum()), int((counts == 0).sum())
        raise RuntimeError(f"{twice} views were seen more than once, {never} not at all")
    return logits if len(kept) == videos else logits[list(kept)]
