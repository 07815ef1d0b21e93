"""`stspec predict`: classes of videos."""

from __future__ import annotations

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
from stspec.cli.options import Set

if TYPE_CHECKING:
    from stspec.cli.screen import Paint
    from stspec.inference.predict import Guess, Prediction

Window = Annotated[
    str | None,
    typer.Option(
        "--window", metavar="LENGTH", help="Slide over the video: frames (64) or seconds (2.5s)."
    ),
]
Every = Annotated[
    str | None,
    typer.Option(
        "--every", metavar="LENGTH", help="From one window's start to the next one's.",
        show_default="window",
    ),
]  # fmt: skip


def predict(
    videos: Annotated[
        list[Path], typer.Argument(metavar="VIDEO...", help="Video files.", show_default=False)
    ],
    model: ModelOption,
    weights: Weights = None,
    classes: Annotated[
        Path | None,
        typer.Option("--classes", metavar="FILE", help="Names of the classes, one a line."),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes are told.")] = 5,
    window: Window = None,
    every: Every = None,
    views: ViewsOption = None,
    sampling: SamplingOption = None,
    stride: Stride = None,
    size: Size = None,
    sets: Set = None,
    importer: Importer = None,
    recipe: RecipeOption = None,
    batch: Batch = 8,
    workers: Workers = 0,
    precision: PrecisionOption = Precision.FLOAT32,
    device: Device = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write JSON to this file."),
    ] = None,
) -> None:  # fmt: skip
    """Recognise what is done in videos.

    With --window each window of a long video is told with its times, and then the whole.

    Exit status 1: some videos cannot be read; the others are told all the same.
    """
    from stspec.api.videos import predict as recognise
    from stspec.output import write_output

    found = []
    for prediction in recognise(
        model, videos, weights=weights, overrides=sets or (), importer=importer, recipe=recipe,
        views=views, stride=stride, size=size, classes=classes, top=top, window=window,
        every=every, batch=batch, workers=workers, device=device,
        **plain(sampling=sampling, precision=precision),
    ):  # fmt: skip
        found.append(prediction)
        if not json:
            _tell(prediction)
    text = _json(found)
    if json:
        typer.echo(text, nl=False)
    if output is not None:
        write_output(output, text)
    if any(prediction.fault is not None for prediction in found):
        raise typer.Exit(1)


def _json(found: list[Prediction]) -> str:
    from json import dumps

    return dumps([prediction.to_json() for prediction in found], indent=1) + "\n"


def _tell(found: Prediction) -> None:
    from stspec.cli.screen import paint, remark, write

    ink = paint()
    if found.fault is not None:
        remark(f"{found.video}: {found.fault}")
        return
    rate = f" at {found.rate:.4g} a second" if found.rate else ""
    write(f"{ink(found.video, 'bold')}: {found.frames} frames{rate}")
    for told in found.windows:
        assert told.window is not None
        span = f"frames {told.window.first}-{told.window.last}"
        if told.times:
            span = f"{told.times[0]:.2f}-{told.times[1]:.2f} s"
        write(f"  {span:<20}{_share(told.top[0], ink)}")
    for guess in found.top:
        write(f"  {_share(guess, ink)}")


def _share(guess: Guess, ink: Paint) -> str:
    return f"{ink(f'{100 * guess.score:6.2f} %', 'bold')}  {guess.name}"
