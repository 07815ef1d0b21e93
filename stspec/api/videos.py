"""What trained models see in videos: accuracies, classes, features. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn

from stspec.api.tested import (
    Split,
    Tested,
    Trained,
    check_choice,
    class_names,
    labelled,
    open_tested,
    unlabelled,
)
from stspec.data.dataset import ClipDataset
from stspec.data.loader import eval_loader
from stspec.data.sample import Sample
from stspec.diagnostics import Diagnostic, SpecError
from stspec.evaluate.faults import explained
from stspec.evaluate.frame_order import FrameOrder, reordered
from stspec.evaluate.fuse import By, Fuse
from stspec.evaluate.model import check_classes
from stspec.evaluate.predictions import Predictions
from stspec.evaluate.runner import Precision
from stspec.evaluate.runner import evaluate as measure
from stspec.graph.model import leaves
from stspec.inference.features import Form, Summary, extract
from stspec.inference.predict import Prediction
from stspec.inference.predict import predict as recognise
from stspec.inference.stream import Engine, Sliding
from stspec.inference.taps import Pool, find_tap, watch
from stspec.inference.windows import Length
from stspec.network import Network, Overrides
from stspec.train.distributed import joined
from stspec.train.recipe import Sampling

Broken = Literal["error", "skip"]


def evaluate(
    target: Trained,
    data: Path | str | None = None,
    *,
    weights: Path | str | None = None,
    overrides: Overrides = (),
    importer: str | None = None,
    split: Split = "val",
    recipe: str | Path | None = None,
    views: str | None = None,
    sampling: Sampling | None = None,
    stride: int | None = None,
    size: int | None = None,
    fuse: Fuse | None = None,
    by: By | None = None,
    classes: Path | Sequence[str] | None = None,
    root: Path | str | None = None,
    broken: Broken = "error",
    frames_order: FrameOrder = "given",
    batch: int = 8,
    workers: int = 2,
    precision: Precision = "float32",
    device: str | None = None,
    note: Callable[[str], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Measure a trained model on videos with labels.

    Under torchrun the processes share the videos, each of which is seen once; all get the same.

    Args:
        target: a run or its folder; or a spec, with `weights`.
        data: a list, or a folder with such; a run's own where not given.
        weights: a checkpoint, or another run.
        overrides: of a spec, as ``load`` takes them.
        importer: the code base that the weights are from; recognised where not given.
        split: part of a folder of data: train, val or test.
        recipe: how videos are tested; the run's, or study2021.
        views: clips x crops, such as ``10x3``; this and what follows stand in the recipe's place.
        sampling: how frames are chosen: uniform, dense, tsn, tsm, vmz.
        stride: frames between frames of dense clips.
        size: side of a crop in pixels.
        fuse: what is joined over views: probabilities or logits.
        by: how: mean or max.
        classes: names of the classes, or a file of them.
        root: where a list's paths start.
        broken: ``error``, or ``skip``: what a video that cannot be read leads to.
        frames_order: in which the model is shown the frames of a clip: given, reversed, shuffled
            (in a way that follows from the video), or frozen (the middle one throughout).
        batch: clips at once.
        workers: processes that read videos; 0 reads in this one.
        precision: of products: float32, bfloat16, float16.
        device: cpu or cuda; the GPU where there is one.
        note: is told how lists were understood.
        progress: is told how many of this process's views are done, and how many there are.

    Returns:
        The scores of every view with ids and labels; ``.metrics()`` has accuracies.

    Raises:
        SpecError: if something is wrong with model, weights or data, or they do not go together.
    """
    check_choice("split", split, get_args(Split))
    check_choice("broken", broken, get_args(Broken))
    check_choice("precision", precision, get_args(Precision))
    check_choice("frames_order", frames_order, get_args(FrameOrder))
    with explained(batch), joined(device) as world:
        manifest = labelled(target, weights, data, split, classes, root)
        tested = open_tested(
            target, weights, overrides, importer, recipe, classes=len(manifest.classes),
            views=views, sampling=sampling, stride=stride, size=size, fuse=fuse, by=by,
        )  # fmt: skip
        check_classes(tested.model, manifest.classes, manifest.source or "the data")
        if world.is_first and data is not None and note is not None:
            for text in manifest.notes:
                note(text)
        testing = tested.testing
        dataset = ClipDataset(manifest, testing.augmentation, seed=0, broken=broken)
        loader = eval_loader(
            dataset, batch=batch, rank=world.rank, world=world.size, workers=workers,
            pin_memory=world.device.type == "cuda",
        )  # fmt: skip
        told = _counted(progress, len(loader) * batch) if world.is_first and progress else None
        ordering = {}
        batches: Iterable[Mapping[str, Any]] = loader
        if frames_order != "given":
            ordering = {"frames_order": frames_order}
            batches = reordered(loader, frames_order, [sample.id for sample in manifest])
        return measure(
            tested.model.module.to(world.device),
            batches,
            manifest,
            views=testing.views,
            mean=testing.mean,
            std=testing.std,
            fuse=testing.fuse,
            by=testing.by,
            precision=precision,
            rank=world.rank,
            world=world.size,
            about={**tested.model.about, **testing.about, "data": manifest.digest, **ordering},
            progress=told,
        )


def predict(
    target: Trained,
    videos: Path | str | Iterable[Path | str],
    *,
    weights: Path | str | None = None,
    overrides: Overrides = (),
    importer: str | None = None,
    recipe: str | Path | None = None,
    views: str | None = None,
    sampling: Sampling | None = None,
    stride: int | None = None,
    size: int | None = None,
    classes: Path | str | Iterable[str] | None = None,
    top: int = 5,
    window: str | int | None = None,
    every: str | int | None = None,
    batch: int = 8,
    workers: int = 0,
    precision: Precision = "float32",
    device: str | None = None,
) -> Iterator[Prediction]:
    """Recognise what is done in videos.

    Args:
        target: a run or its folder; or a spec, with `weights`.
        videos: a file, or several.
        weights: a checkpoint, or another run.
        overrides: of a spec, as ``load`` takes them.
        importer: the code base that the weights are from; recognised where not given.
        recipe: how videos are seen; the run's, or study2021.
        views: clips x crops, such as ``10x3``; this and what follows stand in the recipe's place.
        sampling: how frames are chosen: uniform, dense, tsn, tsm, vmz.
        stride: frames between frames of dense clips.
        size: side of a crop in pixels.
        classes: names of the classes, or a file of them, where neither run nor weights tell.
        top: how many classes are told.
        window: slide over each video, by windows of so many frames (64) or seconds (``2.5s``).
        every: from one window's start to the next one's; `window` where not given.
        batch: clips at once.
        workers: processes that read videos; 0 reads in this one.
        precision: of products: float32, bfloat16, float16.
        device: cpu or cuda; the GPU where there is one.

    Returns:
        An iterator over what was found, a video at a time, in their order. A video that cannot
        be read has a `fault`.

    Raises:
        SpecError: if something is wrong with model, weights or options.
    """
    check_choice("precision", precision, get_args(Precision))
    length, step = _lengths(window, every)
    tested = open_tested(
        target, weights, overrides, importer, recipe,
        views=views, sampling=sampling, stride=stride, size=size,
    )  # fmt: skip
    names = class_names(tested.model, classes)
    paths = [Path(v) for v in ([videos] if isinstance(videos, str | Path) else videos)]

    def found() -> Iterator[Prediction]:
        with explained(batch), joined(device) as world:
            engine = _engine(tested, world.device, precision)
            yield from recognise(
                engine, tested.testing, paths, names, top=top, length=length, every=step,
                batch=batch, workers=workers, multi_label=tested.multi_label,
            )  # fmt: skip

    return found()


def features(
    target: Trained,
    source: Path | str,
    output: Path | str,
    *,
    at: str | None = None,
    pool: Pool = "clip",
    weights: Path | str | None = None,
    overrides: Overrides = (),
    importer: str | None = None,
    recipe: str | Path | None = None,
    views: str | None = "1x1",
    sampling: Sampling | None = None,
    stride: int | None = None,
    size: int | None = None,
    window: str | int | None = None,
    every: str | int | None = None,
    form: Form = "npy",
    half: bool = False,
    broken: Broken = "error",
    root: Path | str | None = None,
    batch: int = 8,
    workers: int = 2,
    precision: Precision = "float32",
    device: str | None = None,
    progress: Callable[[Summary, Sample, str | None, int], None] | None = None,
) -> Summary:
    """Write what a network holds inside, for many videos: a file each, and an index.

    What is there already is not computed again, so an interrupted call is made once more.

    Args:
        target: a run or its folder; or a spec, with `weights`.
        source: a video, a folder of them, or a list.
        output: the folder to write in: see ``index.jsonl`` there.
        at: a node's path; what enters the classifier where not given.
        pool: clip: the mean over space and time; frames: over space; none.
        weights: a checkpoint, or another run.
        overrides: of a spec, as ``load`` takes them.
        importer: the code base that the weights are from; recognised where not given.
        recipe: how videos are seen; the run's, or study2021.
        views: clips x crops, whose values are averaged; this and what follows stand in the
            recipe's place.
        sampling: how frames are chosen: uniform, dense, tsn, tsm, vmz.
        stride: frames between frames of dense clips.
        size: side of a crop in pixels.
        window: slide over each video, by windows of so many frames (64) or seconds (``2.5s``).
        every: from one window's start to the next one's; `window` where not given.
        form: of the files: npy or safetensors.
        half: write float16.
        broken: ``error``, or ``skip``: what a video that cannot be read leads to.
        root: where a list's paths start.
        batch: clips at once.
        workers: processes that read videos; 0 reads in this one.
        precision: of products: float32, bfloat16, float16.
        device: cpu or cuda; the GPU where there is one.
        progress: is told after each video, with the reason if it is broken, and how many there
            are.

    Returns:
        How many were written, were there before, and are broken.

    Raises:
        SpecError: if something is wrong with model, weights or options, a video is broken and
            the policy is ``error``, or the folder holds features of another kind.
    """
    options = (("pool", pool, Pool), ("form", form, Form), ("broken", broken, Broken))
    for name, value, kind in (*options, ("precision", precision, Precision)):
        check_choice(name, value, get_args(kind))
    length, step = _lengths(window, every)
    manifest = unlabelled(source, root)
    tested = open_tested(
        target, weights, overrides, importer, recipe, needed=lambda n, m: _needed(n, m, at),
        views=views, sampling=sampling, stride=stride, size=size,
    )  # fmt: skip
    tap = find_tap(tested.model.network, tested.model.module, at)
    about = {
        **tested.model.about, **tested.testing.about, "tap": tap.path, "pool": pool,
        "window": str(length) if length else None, "every": str(step) if step else None,
        "precision": precision,
    }  # fmt: skip

    def told(summary: Summary, sample: Sample, fault: str | None) -> None:
        if progress is not None:
            progress(summary, sample, fault, len(manifest))

    with explained(batch), joined(device) as world:
        engine = _engine(tested, world.device, precision)
        with watch(engine.module, tap, pool=pool) as seen:
            engine.read = lambda _scores: seen.values[tap.path]
            return extract(
                engine, Sliding(tested.testing.augmentation, length, step), manifest,
                Path(output), about, form=form, half=half, batch=batch, workers=workers,
                broken=broken, progress=told,
            )  # fmt: skip


def _engine(tested: Tested, device: torch.device, precision: Precision) -> Engine:
    module = tested.model.module.to(device)
    return Engine(module, tested.testing.mean, tested.testing.std, precision)


def _counted(progress: Callable[[int, int], None], total: int) -> Callable[[int], None]:
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    return tell


def _lengths(
    window: str | int | None, every: str | int | None
) -> tuple[Length | None, Length | None]:
    """Return the window's length and step.

    Raises:
        SpecError: if they cannot be understood, or a step has no window.
    """
    if every is not None and window is None:
        help = "say how long a window is: --window 64"
        raise SpecError(Diagnostic("no-window", "--every goes with --window", help=help))
    length = Length.parse(str(window), "--window") if window is not None else None
    return length, Length.parse(str(every), "--every") if every is not None else None


def _needed(network: Network, module: nn.Module, at: str | None) -> set[str]:
    """Return the nodes up to the tap: what stands behind it needs no weights."""
    tap = find_tap(network, module, at)
    paths = [path for path, _ in leaves(network.graph)]
    last = [i for i, p in enumerate(paths) if p == tap.path or p.startswith(f"{tap.path}.")]
    return set(paths[: last[-1] + 1]) if last else set()
