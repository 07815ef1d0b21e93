"""`stspec train`: from a spec and data to a run, or from a run onwards."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stspec.cli.options import (
    Classes,
    First,
    Kind,
    ListForm,
    Root,
    SampleKind,
    Separator,
    Template,
    refuse_given,
)  # fmt: skip
from stspec.cli.screen import RIGHT, Column, paint, paragraph, remark, size, table, width, write

if TYPE_CHECKING:
    from stspec.train.plan import Plan
    from stspec.train.run import Job


class DecoderOption(StrEnum):
    """What decodes videos."""

    AUTO = "auto"
    PYAV = "pyav"
    TORCHCODEC = "torchcodec"


FIXED = (
    "data", "recipe", "sets", "run", "seed", "weights", "importer", "image", "root", "classes",
    "kind", "template", "start", "form", "separator", "val_share",
)  # fmt: skip
"""Options that make a run what it is: with --resume they would be left unheeded."""


def train(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET", help="A model's name, or a YAML file.", show_default=False
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR_OR_LIST",
            help="A list of samples, or a folder with train and val: lists, or folders of classes.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[str, typer.Option(help="A recipe's name, or a YAML file.")] = "study2021",
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Override a value of the spec or of the recipe, such as clip.frames=16 or "
            "optimizer.lr=0.02. Repeatable.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="The run's folder; a new one under runs/.", show_default=False),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Let a run go on.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    weights: Annotated[
        Path | None, typer.Option(help="A checkpoint to start from.", show_default=False)
    ] = None,
    importer: Annotated[
        str | None,
        typer.Option(help="The code base of the checkpoint; recognised.", show_default=False),
    ] = None,
    image: Annotated[
        bool, typer.Option("--image", help="The checkpoint is of an image network.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that read videos; one a core.", show_default=False),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda; the GPU, if any.", show_default=False)
    ] = None,
    save_every: Annotated[
        int | None,
        typer.Option(min=1, help="Steps between checkpoints; 10 minutes.", show_default=False),
    ] = None,
    track: Annotated[
        list[str] | None,
        typer.Option(help="tensorboard, wandb, mlflow or trackio. Repeatable.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would run, and train nothing.")
    ] = False,
    root: Root = None,
    classes: Classes = None,
    kind: SampleKind = None,
    template: Template = None,
    start: First = None,
    form: ListForm = None,
    separator: Separator = None,
    val_share: Annotated[
        float | None,
        typer.Option(
            "--val-share",
            help="Hold a share of each class's files out, where data have no val.",
            show_default=False,
        ),
    ] = None,
    decoder: Annotated[DecoderOption, typer.Option(help="What decodes videos.")] = (
        DecoderOption.AUTO
    ),
) -> None:
    """Train a model on videos, or let a run go on.

    A run is a folder: spec, recipe, log, weights, checkpoints. After a kill at any moment
    `stspec train --resume RUN` goes on as if nothing had been: on a processor bit for bit.
    Several processes: torchrun --nproc_per_node 2 -m -- stspec.cli train ...

    Exit status: 0 trained; 2 error; 75 told to leave by SIGTERM or SIGUSR1, and saved.
    """
    if (resume is None) == (target is None):
        raise typer.BadParameter("name a spec to train, or a run to --resume", param_hint="TARGET")
    if target is not None and data is None:
        raise typer.BadParameter("name a list or a folder of videos", param_hint="--data")
    if resume is not None:
        refuse_given(context, FIXED, "a run goes on as it was started")
    from stspec.train import run as running
    from stspec.train.recipe import load_recipe, split_overrides
    from stspec.train.signals import LeftEarly

    lists = _lists(root, classes, kind, template, start, form, separator, val_share)
    theirs, ours = split_overrides(sets or ())
    options: dict[str, Any] = {
        "recipe": load_recipe(recipe, ours),
        "overrides": theirs,
        "run": run,
        "resume": resume,
        "seed": seed,
        "lists": lists,
    }
    if dry_run:
        job = running.make_job(
            target, data, options["recipe"], theirs, run, resume, seed,
            running.Start(str(weights) if weights else None, importer, image), None, lists,
            running.Options(workers, device, decoder=decoder.value),
        )  # fmt: skip
        _check(job, track or ())
        _tell(job, device)
        return
    try:
        done = running.train(
            target, data, weights=weights, importer=importer, image=image, workers=workers,
            device=device, track=track or (), save_steps=save_every, decoder=decoder.value,
            **options,
        )  # fmt: skip
    except LeftEarly as leaving:
        remark(f"saved at step {leaving.step}; `stspec train --resume {leaving.folder}` goes on")
        raise
    from stspec.train.distributed import is_first

    if is_first():
        write(_summary(done.folder))


def _summary(folder: Path) -> str:
    import json

    from stspec.diagnostics import display_path

    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8")).get("val") or {}
    named = {"top1": "top-1", "top5": "top-5", "mean_class": "mean class", "mean_ap": "mAP"}
    shown = [
        f"{title} {metrics[n]:.1%}" for n, title in named.items() if metrics.get(n) is not None
    ]
    return f"{display_path(folder)}: {', '.join(shown) or 'trained; nothing to test on'}"


def _lists(
    root: Path | None, classes: Path | None, kind: Kind | None, template: str | None,
    start: int | None, form: str | None, separator: str | None, val_share: float | None,
) -> dict[str, Any]:  # fmt: skip
    """Return how lists are read, as a run remembers it: paths in full."""
    given = {
        "root": str(root.resolve()) if root else None,
        "classes": str(classes.resolve()) if classes else None,
        "kind": kind.value if kind else None,
        "template": template,
        "start": start,
        "form": form,
        "separator": separator,
        "val_share": val_share,
    }
    return {key: value for key, value in given.items() if value is not None}


def _check(job: Job, track: Sequence[str]) -> None:
    """Refuse what would stop the run at its start."""
    from stspec.diagnostics import Diagnostic, SpecError, display_path
    from stspec.runs.directory import is_run
    from stspec.train.trackers import check_trackers

    check_trackers(track)
    weights = job.start.weights
    if job.run is None and weights is not None and not Path(weights).exists():
        message = f"cannot read the weights in `{weights}`: no such file or directory"
        raise SpecError(Diagnostic("bad-checkpoint", message))
    if job.run is None and job.folder is not None and is_run(job.folder):
        name = display_path(job.folder)
        help = f"go on with `stspec train --resume {name}`, or name another folder with --run"
        raise SpecError(Diagnostic("run-exists", f"{name} holds a run already", help=help))


def _tell(job: Job, device: str | None) -> None:
    from stspec.train.distributed import joined
    from stspec.train.plan import plan

    with joined(device) as world:
        found = plan(job, world)
        if not world.is_first:
            return
    ink = paint()
    clips = f"{found.clips} clips of {len(job.feed.classes)} classes"
    title = f"{ink(job.network.name, 'bold')} by the recipe {ink(job.recipe.name, 'bold')}"
    write(f"{title}, on {clips}: {found.total_steps} steps\n")
    write(_table(found))
    reach = dict.fromkeys(f"temporal receptive field: {stage.reach}" for stage in found.stages)
    memory = "memory is an estimate, of one process: weights, gradients, momenta and all"
    for note in [*reach, *job.notes, *found.notes, f"{memory} activations"]:
        write(paragraph(note, width()))


def _table(found: Plan) -> str:
    columns = [
        Column("stage"), Column("clip"), Column("epochs", RIGHT), Column("batch", RIGHT),
        Column("at once", RIGHT), Column("steps", RIGHT), Column("lr", RIGHT),
        Column("memory", RIGHT),
    ]  # fmt: skip
    rows = [
        (
            str(number), f"{s.frames}x{s.size[0]}x{s.size[1]}", str(s.epochs), str(s.batch),
            str(s.at_once), str(s.epochs * s.steps), f"{s.peak:.4g}", size(s.memory),
        )
        for number, s in enumerate(found.stages, 1)
    ]  # fmt: skip
    return table(columns, rows, width(), paint())
