"""`stspec features`: values inside a network, of many videos."""

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
    ModelOption,
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
from stspec.cli.options import Root, Set
from stspec.cli.predict import Every, Window

if TYPE_CHECKING:
    from stspec.data.sample import Sample
    from stspec.inference.features import Summary


class Pool(StrEnum):
    """What is averaged."""

    CLIP = "clip"
    FRAMES = "frames"
    NONE = "none"


class Form(StrEnum):
    """Files of features."""

    NPY = "npy"
    SAFETENSORS = "safetensors"


class Broken(StrEnum):
    """What is done about videos that cannot be read."""

    ERROR = "error"
    SKIP = "skip"


def features(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="VIDEO_OR_LIST", help="A video, a list, or a folder of videos.",
            show_default=False,
        ),
    ],
    model: ModelOption,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where to write.")],
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="TAP", help="A node's path: `stspec show NAME --ir` lists them.",
            show_default="what enters the classifier",
        ),
    ] = None,
    weights: Weights = None,
    pool: Annotated[
        Pool,
        typer.Option("--pool", help="clip: mean over space and time; frames: over space; none."),
    ] = Pool.CLIP,
    window: Window = None,
    every: Every = None,
    form: Annotated[Form, typer.Option("--form", help="Of the files.")] = Form.NPY,
    half: Annotated[bool, typer.Option("--half", help="Write float16.")] = False,
    broken: Annotated[
        Broken, typer.Option("--broken", help="What a video that cannot be read leads to.")
    ] = Broken.ERROR,
    views: ViewsOption = "1x1",
    sampling: SamplingOption = None,
    stride: Stride = None,
    size: Size = None,
    sets: Set = None,
    importer: Importer = None,
    recipe: RecipeOption = None,
    root: Root = None,
    batch: Batch = 8,
    workers: Workers = 2,
    precision: PrecisionOption = Precision.FLOAT32,
    device: Device = None,
) -> None:  # fmt: skip
    """Write features of videos, with an index.

    Each video has a file, and a line in index.jsonl that names it. The same command goes on
    where it was interrupted, even killed. Videos that cannot be read are named in broken.jsonl
    and are not in the index.
    """
    from stspec.api.videos import features as extract
    from stspec.cli.screen import write
    from stspec.diagnostics import display_path

    told = extract(
        model, source, output, at=at, weights=weights, overrides=sets or (), importer=importer,
        recipe=recipe, views=views, stride=stride, size=size, window=window, every=every,
        half=half, root=root, batch=batch, workers=workers, device=device, progress=_progress(),
        **plain(pool=pool, sampling=sampling, form=form, broken=broken, precision=precision),
    )  # fmt: skip
    before = f", {told.before} were there" if told.before else ""
    left = f", {told.broken} cannot be read: see broken.jsonl" if told.broken else ""
    write(f"wrote features of {told.written} videos to {display_path(output)}{before}{left}")


def _progress() -> Callable[[Summary, Sample, str | None, int], None]:
    """Return what tells how far it is, now and then, to standard error."""
    import time

    from stspec.cli.screen import remark
    from stspec.train.live import duration

    # The first videos come after the readers have started, which tells nothing of the rest.
    first: tuple[float, int] | None = None
    last = time.monotonic()

    def tell(summary: Summary, sample: Sample, fault: str | None, total: int) -> None:
        nonlocal first, last
        if fault is not None:
            remark(f"{sample.id}: {fault}")
        now, done = time.monotonic(), summary.written + summary.broken
        first = first or (now, done)
        if now - last < 10 or done == first[1]:
            return
        last = now
        rate = (done - first[1]) / (now - first[0])
        left = duration((total - summary.before - done) / rate)
        remark(f"{summary.before + done} of {total} videos, {rate:.3g} a second, {left} left")

    return tell
