"""`stspec eval`: accuracies of a trained model, and its predictions as files."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    plain,
)  # fmt: skip
from stspec.cli.options import Classes, Root, Set

if TYPE_CHECKING:
    from stspec.evaluate.metrics import Metrics
    from stspec.evaluate.predictions import Predictions


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


class FrameOrder(StrEnum):
    """How the frames of a clip are put before the model sees them."""

    GIVEN = "given"
    REVERSED = "reversed"
    SHUFFLED = "shuffled"
    FROZEN = "frozen"


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
    frames_order: Annotated[
        FrameOrder,
        typer.Option("--frames-order", help="In which the model is shown a clip's frames."),
    ] = FrameOrder.GIVEN,
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

    from stspec.api.videos import evaluate as measure
    from stspec.cli.screen import remark
    from stspec.evaluate.predictions import read_predictions
    from stspec.train.distributed import is_first

    if target.endswith(".npz"):
        found = read_predictions(Path(target))
        given = {name: value for name, value in plain(fuse=fuse, by=by).items() if value}
        found = replace(found, **given)
        _tell(found, found.metrics(), None, json)
        return
    found = measure(
        target, data, weights=weights, overrides=sets or (), importer=importer, recipe=recipe,
        views=views, stride=stride, size=size, classes=classes, root=root, batch=batch,
        workers=workers, device=device, note=lambda text: remark(f"data: {text}"),
        progress=_progress(),
        **plain(split=split, sampling=sampling, fuse=fuse, by=by, broken=broken,
                precision=precision, frames_order=frames_order),
    )  # fmt: skip
    if is_first():
        _write(found, _file(found, target, split, data, output), json)


def _file(
    found: Predictions, target: str, split: Split, data: Path | None, output: Path | None
) -> Path:
    """Return where predictions go."""
    is_run = Path(target).is_dir()
    folder = output or (Path(target) / "predictions" if is_run else Path("predictions"))
    # A run's own data need no name; others' predictions must not take their place.
    names = [] if is_run else [str(found.about["spec"])]
    names += [data.resolve().stem] if is_run and data is not None else []
    how = [split.value, str(found.views), str(found.about["sampling"])]
    how += [str(found.about["frames_order"])] if "frames_order" in found.about else []
    return folder / ("-".join([*names, *how]) + ".npz")


def _progress() -> Callable[[int, int], None]:
    """Return what tells now and then how many views of this process are done."""
    import time

    from stspec.cli.screen import remark

    start = last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS:
            last = now
            rate = done / (now - start)
            left = (total - done) / rate
            remark(f"{done} of {total} views, {rate:.3g} a second, {left:.0f} s left")

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
