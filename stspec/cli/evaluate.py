"""`stspec eval`: accuracies of a trained model, and its predictions as files."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stspec.cli.models import (
    Batch,
    Device,
    Importer,
    Precision,
    PrecisionOption,
    RecipeOption,
    SamplingOption,
    Size,
    Stride,
    ViewsOption,
    Weights,
    Workers,
)  # fmt: skip
from stspec.cli.options import Classes, Root, Set

if TYPE_CHECKING:
    from stspec.cli.models import Tested
    from stspec.data.sample import Manifest
    from stspec.evaluate.metrics import Metrics
    from stspec.evaluate.predictions import Predictions
    from stspec.runs.directory import Run
    from stspec.train.distributed import World


SECONDS = 10.0
"""Between two remarks on how far it is."""


class Fuse(StrEnum):
    """What is joined over views."""

    PROBABILITIES = "probabilities"
    LOGITS = "logits"


class By(StrEnum):
    """How views are joined."""

    MEAN = "mean"
    MAX = "max"


class Split(StrEnum):
    """Part of a data set."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class Broken(StrEnum):
    """What is done about videos that cannot be read."""

    ERROR = "error"
    SKIP = "skip"


def evaluate(
    target: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_SPEC",
            help="A run's folder, a spec with --weights, or a file of predictions (.npz).",
            show_default=False,
        ),
    ],
    weights: Weights = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR_OR_LIST", help="Videos with labels; a run's own by default.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="Of a folder of data.")] = Split.VAL,
    views: ViewsOption = None,
    sampling: SamplingOption = None,
    stride: Stride = None,
    size: Size = None,
    fuse: Annotated[
        Fuse | None, typer.Option("--fuse", help="What is joined over views.", show_default=False)
    ] = None,
    by: Annotated[
        By | None, typer.Option("--by", help="How it is joined.", show_default=False)
    ] = None,
    sets: Set = None,
    importer: Importer = None,
    recipe: RecipeOption = None,
    classes: Classes = None,
    root: Root = None,
    broken: Annotated[
        Broken, typer.Option("--broken", help="What a video that cannot be read leads to.")
    ] = Broken.ERROR,
    batch: Batch = 8,
    workers: Workers = 2,
    precision: PrecisionOption = Precision.FLOAT32,
    device: Device = None,
    json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Folder of the predictions.",
            show_default="the run's, or predictions",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Measure a trained model on videos, and keep its predictions.

    The scores of every view and of every video are written with ids and labels (.npz): metrics
    follow from that file alone, also joined in another way: `stspec eval FILE.npz --fuse logits`.
    `torchrun --nproc_per_node N -m -- stspec.cli eval ...` shares the videos; each is seen once.
    """
    from dataclasses import replace

    from stspec.cli.screen import remark
    from stspec.evaluate.predictions import read_predictions

    if target.endswith(".npz"):
        found = read_predictions(Path(target))
        found = replace(found, **_given(fuse=fuse, by=by))
        _tell(found, found.metrics(), None, json)
        return
    from stspec.evaluate.faults import explained
    from stspec.train.distributed import joined

    with explained(batch), joined(device) as world:
        opened = open_all(
            target, weights, data, split, sets, importer, recipe, views, classes, root,
            sampling=sampling, stride=stride, size=size, fuse=fuse, by=by,
        )  # fmt: skip
        if world.is_first and data is not None:
            for note in opened[1].notes:
                remark(f"data: {note}")
        found = run_views(*opened, broken, batch, workers, precision, world)
        if world.is_first:
            run = opened[0].model.run
            folder = output or (run.folder / "predictions" if run else Path("predictions"))
            # A run's own data need no name; others' predictions must not take their place.
            names = [] if run else [opened[0].model.network.name]
            names += [data.resolve().stem] if run and data is not None else []
            how = opened[0].testing.augmentation.test_sampling
            name = "-".join([*names, split.value, str(found.views), how])
            _write(found, folder / f"{name}.npz", json)


def _given(**choices: StrEnum | None) -> dict[str, Any]:
    return {name: value.value for name, value in choices.items() if value is not None}


def open_all(
    target: str, weights: Path | None = None, data: Path | None = None, split: Split = Split.VAL,
    sets: list[str] | None = None, importer: str | None = None, recipe: str | None = None,
    views: str | None = None, classes: Path | None = None, root: Path | None = None,
    **changes: Any,
) -> tuple[Tested, Manifest]:  # fmt: skip
    """Open model and data, which must have the same classes."""
    from stspec.cli.models import open_tested
    from stspec.data.manifest import require_files
    from stspec.evaluate.model import check_classes, sidecar_classes
    from stspec.runs.directory import open_run

    run = open_run(target) if Path(target).is_dir() else None
    known = run.classes if run is not None else sidecar_classes(weights)
    manifest = _manifest(run, target, data, split, classes or known, root)
    require_files(manifest)
    tested = open_tested(
        target, weights, sets, importer, recipe, views, classes=len(manifest.classes), **changes
    )
    check_classes(tested.model, manifest.classes, manifest.source or "the data")
    return tested, manifest


def _manifest(
    run: Run | None, target: str, data: Path | None, split: Split,
    classes: Path | tuple[str, ...] | None, root: Path | None,
) -> Manifest:  # fmt: skip
    from stspec.data.manifest import load_manifest, load_split
    from stspec.diagnostics import Diagnostic, SpecError

    options: dict[str, Any] = {}
    if data is None:
        about = (run.about.get("data") if run is not None else None) or {}
        if "path" not in about:
            message = f"`{target}` does not tell on which videos it is to be measured"
            raise SpecError(
                Diagnostic("no-data", message, help="name a folder or list with --data")
            )
        data, options = Path(about["path"]), dict(about.get("lists") or {})
    elif data.is_file():
        return load_manifest(data, **_lists(root, classes))
    options |= _lists(root, classes)
    return load_split(data, split.value, **options)


def _lists(root: Path | None, classes: Path | tuple[str, ...] | None) -> dict[str, Any]:
    given = {"root": root, "classes": classes}
    return {name: value for name, value in given.items() if value is not None}


def run_views(
    tested: Tested, manifest: Manifest, broken: Broken, batch: int, workers: int,
    precision: Precision, world: World,
) -> Predictions:  # fmt: skip
    """Return the scores of every view of every video."""
    from stspec.data.dataset import ClipDataset
    from stspec.data.loader import eval_loader
    from stspec.evaluate.runner import evaluate as measure

    testing = tested.testing
    dataset = ClipDataset(manifest, testing.augmentation, seed=0, broken=broken.value)
    loader = eval_loader(
        dataset, batch=batch, rank=world.rank, world=world.size, workers=workers
    )  # fmt: skip
    return measure(
        tested.model.module.to(world.device),
        loader,
        manifest,
        views=testing.views,
        mean=testing.mean,
        std=testing.std,
        fuse=testing.fuse,
        by=testing.by,
        precision=precision.value,
        rank=world.rank,
        world=world.size,
        about={**tested.model.about, **testing.about, "data": manifest.digest},
        progress=_progress(len(loader) * batch) if world.is_first else None,
    )


def _progress(views: int) -> Callable[[int], None]:
    """Return what tells now and then how many views of this process are done."""
    import time

    from stspec.cli.screen import remark

    start = last = time.monotonic()
    done = 0

    def tell(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= SECONDS:
            last = now
            rate = done / (now - start)
            remark(
                f"{done} of {views} views, {rate:.3g} a second, {(views - done) / rate:.0f} s left"
            )

    return tell


def _write(found: Predictions, path: Path, json: bool) -> None:
    """Write predictions and metrics, and tell them."""
    import json as js

    from stspec.cli.screen import remark
    from stspec.evaluate.predictions import write_predictions
    from stspec.output import write_output

    for name, reason in found.faults.items():
        remark(f"left out: {name}: {reason}")
    write_predictions(path, found)
    metrics = found.metrics()
    text = js.dumps({"views": str(found.views), **metrics.to_json()}, indent=1) + "\n"
    write_output(path.with_suffix(".metrics.json"), text)
    _tell(found, metrics, path, json)


def _tell(found: Predictions, metrics: Metrics, path: Path | None, json: bool) -> None:
    import json as js

    from stspec.cli.screen import paint, write
    from stspec.diagnostics import display_path

    if json:
        told = {"views": str(found.views), "fuse": found.fuse, "by": found.by}
        write(js.dumps({**told, **metrics.to_json()}, indent=1))
        return
    ink = paint()
    left = f", {len(found.faults)} left out" if found.faults else ""
    how = f"{found.views} views, {found.by} of {found.fuse}" if found.views.count > 1 else "1 view"
    several = "" if metrics.count == 1 else "s"
    write(f"{metrics.count} video{several}{left}, {found.views.level} level: {how}")
    shares = {
        "top-1": metrics.top1, "top-5": metrics.top5, "mean class": metrics.mean_class,
        "mAP": metrics.mean_ap,
    }  # fmt: skip
    for name, share in shares.items():
        if share is not None:
            write(f"{name:<12}{ink(f'{100 * share:.2f} %', 'bold')}")
    if found.views.count > 1:
        alone = [m.top1 for m in found.view_metrics() if m.top1 is not None]
        write(f"{'single view':<12}{100 * sum(alone) / len(alone):.2f} %")
    write(_worst(metrics))
    if path is not None:
        write(f"wrote {display_path(path)}")


def _worst(metrics: Metrics, most: int = 5) -> str:
    """Return the classes that are recognised least."""
    known = [each for each in metrics.classes if each.accuracy is not None]
    last = sorted(known, key=lambda each: (each.accuracy or 0.0, each.name))[:most]
    told = ", ".join(f"{each.name} {100 * (each.accuracy or 0):.0f} %" for each in last)
    return f"{'lowest':<12}{told}"
