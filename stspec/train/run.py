"""`train`: from a spec, data and a recipe to a run; or from a run onwards."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from stspec.compose import data_root
from stspec.data.dataset import Decoder
from stspec.diagnostics import Diagnostic, Label, SpecError, display_path
from stspec.module import load_weights
from stspec.network import Network, Overrides, Target, check_scores_clips, load, spec_text
from stspec.runs.checkpoint import Checkpoint, latest_checkpoint
from stspec.runs.directory import (
    SEALED,
    Run,
    RunFolder,
    is_run,
    open_run,
    other_spec,
)
from stspec.runs.environment import differences, environment
from stspec.runs.log import Log, Mark, holds
from stspec.train.distributed import World, joined
from stspec.train.feed import Feed
from stspec.train.live import Clock, Silence, view
from stspec.train.loop import Loop
from stspec.train.recipe import DEFAULT, Recipe, load_recipe
from stspec.train.setup import fresh_module
from stspec.train.signals import Leaving
from stspec.train.stages import with_frames
from stspec.train.state import misfit
from stspec.train.trackers import Trackers, check_trackers
from stspec.train.videos import VideoFeed


@dataclass(frozen=True)
class Options:
    """How a run goes, as far as results do not depend on it."""

    workers: int | None = None
    device: str | None = None
    track: tuple[str, ...] = ()
    save_steps: int | None = None
    save_seconds: float = 600.0
    decoder: Decoder = "auto"
    quiet: bool = False

    @property
    def readers(self) -> int:
        """Return how many processes read videos: as many as this has cores, up to eight."""
        if self.workers is not None:
            return self.workers
        ours = hasattr(os, "sched_getaffinity")  # a scheduler may have given it a few
        return min(len(os.sched_getaffinity(0)) if ours else os.cpu_count() or 1, 8)


@dataclass(frozen=True)
class Start:
    """Where a run's first weights come from."""

    weights: str | None = None
    importer: str | None = None
    image: bool = False


@dataclass(frozen=True)
class Job:
    """What is to be trained, all of it checked: a new run, or one that goes on."""

    network: Network
    recipe: Recipe
    feed: Feed
    seed: int
    folder: Path | None
    start: Start
    data: Mapping[str, Any]
    """How the data are found again."""
    run: Run | None = None
    notes: list[str] = field(default_factory=list)


def train(
    target: Network | Target | None = None,
    data: Path | str | None = None,
    *,
    recipe: Recipe | str | Path = DEFAULT,
    overrides: Overrides = (),
    run: Path | str | None = None,
    resume: Path | str | None = None,
    seed: int = 0,
    weights: Path | str | None = None,
    importer: str | None = None,
    image: bool = False,
    feed: Feed | None = None,
    lists: Mapping[str, Any] | None = None,
    workers: int | None = None,
    device: str | None = None,
    track: Iterable[str] = (),
    save_steps: int | None = None,
    save_seconds: float = 600.0,
    decoder: Decoder = "auto",
    quiet: bool = False,
) -> Run:
    """Train a model, or let a run go on; return the run.

    Args:
        target: a model's name, a YAML file, a compiled network; None with `resume`.
        data: a folder or a list of videos, as ``stspec data`` takes them.
        recipe: a recipe's name or file, or a recipe.
        overrides: of the spec, as ``load`` takes them.
        run: the run's folder; a new one under ``runs/`` where not given.
        resume: a run that goes on, bit for bit as if it had never stopped (on the CPU, with the
            same torch, threads and number of processes; else with the same order of clips).
        seed: of first weights, order, crops, dropout and all else that is drawn.
        weights: a checkpoint to start from; a classifier of other classes is left out.
        importer: the code base that the checkpoint is of; recognised where not given.
        image: the checkpoint is of an image network, and is inflated as the policy says.
        feed: batches of the caller's own, in place of `data`.
        lists: how lists are read, where that is not recognised: see ``load_manifest``.
        workers: processes that read videos; 0 reads in this one.
        device: ``cpu`` or ``cuda``; the GPU where there is one.
        track: trackers that are told the numbers: tensorboard, wandb, mlflow, trackio.
        save_steps: steps between checkpoints, beside those after each epoch.
        save_seconds: seconds between checkpoints.
        decoder: ``pyav`` or ``torchcodec``.
        quiet: show nothing.

    Raises:
        SpecError: if something is wrong, or the run cannot go on.
        LeftEarly: (a SystemExit of status 75) when SIGTERM or SIGUSR1 told the run to leave; it
            has saved then.
    """
    options = Options(workers, device, tuple(track), save_steps, save_seconds, decoder, quiet)
    check_trackers(options.track)
    start = Start(None if weights is None else str(weights), importer, image)
    with joined(device) as world:
        job = make_job(
            target, data, recipe, overrides, run, resume, seed, start, feed, lists or {}, options
        )  # fmt: skip
        return carry_out(job, world, options)


def make_job(
    target: Network | Target | None,
    data: Path | str | None,
    recipe: Recipe | str | Path,
    overrides: Overrides,
    run: Path | str | None,
    resume: Path | str | None,
    seed: int,
    start: Start,
    feed: Feed | None,
    lists: Mapping[str, Any],
    options: Options,
) -> Job:
    """Return what `train` would do with these arguments.

    Raises:
        SpecError: if something is wrong with them, or they do not go together.
    """
    if resume is not None:
        return resumed(resume, target, overrides, feed, options)
    found = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    return started(target, data, found, overrides, run, seed, start, feed, lists, options)


def started(
    target: Network | Target | None,
    data: Path | str | None,
    recipe: Recipe,
    overrides: Overrides,
    run: Path | str | None,
    seed: int,
    start: Start,
    feed: Feed | None,
    lists: Mapping[str, Any],
    options: Options,
) -> Job:
    """Return the job of a new run.

    Raises:
        SpecError: if spec, data and recipe do not go together.
    """
    if target is None or (data is None) == (feed is None):
        raise TypeError("train takes a spec and data, or a run to resume")
    network = target if isinstance(target, Network) else load(target, overrides)
    check_scores_clips(network)
    about: dict[str, Any] = {}
    read: list[str] = []
    if feed is None:
        about = {"path": str(Path(str(data)).resolve()), "lists": dict(lists)}
        feed = VideoFeed.open(about, recipe, seed, options.readers, options.decoder)
        feed.check(network)
        read = feed.notes
    if start.weights is not None and is_run(Path(start.weights)):
        start = replace(start, weights=str(open_run(start.weights).weights()))
    network, notes = with_classes(network, len(feed.classes), read)
    notes = read + notes
    side = recipe.data.size
    if side is not None and network.spec.model.clip.sides != (side, side):
        network = load(network.spec.tree, [("clip.size", side)])
        notes.append(f"clips of {side} x {side}, as the recipe has them")
    for phase in recipe.phases:
        with_frames(network, phase.frames)
    if network.spec.model.weights not in ("imagenet", "scratch") and start.weights is None:
        start = Start(network.spec.model.weights, start.importer, start.image)
    if network.spec.model.weights == "imagenet" and start.weights is None:
        notes.append(
            "the spec is meant to start from ImageNet weights, and none are given: it starts "
            "from scratch (--weights FILE --image takes those of an image network)"
        )
    folder = None if run is None else Path(run)
    return Job(network, recipe, feed, seed, folder, start, about, notes=notes)


def resumed(
    path: Path | str, target: Network | Target | None, overrides: Overrides, feed: Feed | None,
    options: Options,
) -> Job:  # fmt: skip
    """Return the job of a run that goes on.

    Raises:
        SpecError: if it is not as it was, or the spec given is another.
    """
    run = open_run(path)
    network = run.network_as_found()
    if target is not None:
        asked = target if isinstance(target, Network) else load(target, overrides)
        asked, _ = with_classes(asked, network.spec.model.classes)
        if spec_text(asked).partition("\n")[2] != spec_text(network).partition("\n")[2]:
            message = f"{display_path(run.folder)} is a run of another spec"
            raise other_spec(message, spec_text(network), spec_text(asked))
    recipe = load_recipe(run.folder / "recipe.yaml")
    recipe = recipe.model_copy(update={"name": str(run.about.get("recipe", "custom"))})
    about = run.about.get("data") or {}
    seed = int(run.about.get("seed", 0))
    if feed is None:
        feed = VideoFeed.open(about, recipe, seed, options.readers, options.decoder)
    _same_data(run, feed)
    start = Start(**(run.about.get("start") or {}))
    return Job(network, recipe, feed, seed, run.folder, start, about, run)


def with_classes(
    network: Network, count: int, read: Sequence[str] = ()
) -> tuple[Network, list[str]]:
    """Return the network for so many classes; `read` tells how the data were understood.

    The number that a shipped spec gives is a default, and the data decide. One that the user
    wrote, in a file or by --set, must be that of the data.

    Raises:
        SpecError: if it is not.
    """
    written = network.spec.model.classes
    if written == count:
        return network, []
    node = network.spec.tree.get("classes")
    shipped = data_root() / "specs"
    if node is not None and not Path(node.span.file).resolve().is_relative_to(shipped):
        message = f"the data have {count} classes, the spec has {written}"
        help = f"--set classes={count}, or leave `classes` out: the data decide then"
        help += f" ({read[0]})" if read else ""
        labels = (Label(node.span, f"not the {count} of the data"),)
        raise SpecError(Diagnostic("wrong-classes", message, labels, help))
    told = f"{count} classes, as the data have (the spec's default is {written})"
    return load(network.spec.tree, [("classes", count)]), [told]


def carry_out(job: Job, world: World, options: Options) -> Run:
    """Train what a job says; return its run.

    Raises:
        SpecError: if it cannot go on.
        LeftEarly: if it was told to leave.
    """
    from stspec.train.plan import plan

    torch.backends.cudnn.benchmark = world.device.type == "cuda"
    steps = plan(job, world)
    folder = RunFolder(_folder(job, world))
    found = environment(world.device, world.size)
    with ExitStack() as stack:
        leaving = Leaving()
        stack.enter_context(leaving.listening())
        stack.callback(job.feed.close)
        shown = view(steps.total_steps, world.is_first and not options.quiet)
        stack.callback(shown.close)
        # Weights that do not fit must not leave the folder of a run that never began.
        module = None if job.run is not None else _first_module(job, shown, None)
        if world.is_first:
            stack.callback(folder.unlock)
            _take(folder, job, found)
        world.wait()
        for note in [*job.notes, *(steps.notes if job.run is None else [])]:
            shown.note(textwrap.fill(note, 80, subsequent_indent="  ", break_long_words=False))
        log = Log(folder.folder / "log.jsonl")
        stack.callback(log.close)
        checkpoint = _checkpoint(job, folder, log, shown, world, found)
        if module is None:
            module = _first_module(job, shown, checkpoint)
        names = options.track if world.is_first else ()
        about = {"spec": job.network.name, "recipe": job.recipe.name, "seed": job.seed}
        trackers = Trackers(names, folder.folder, about, shown.note)
        stack.callback(trackers.close)
        loop = Loop(
            job.network, job.recipe, job.feed, world, job.seed, shown, folder, log,
            Clock(steps.total_steps), trackers, leaving, found, options.save_steps,
            options.save_seconds,
        )  # fmt: skip
        loop.run(module, checkpoint)
        world.wait()
    return open_run(folder.folder)


def _take(folder: RunFolder, job: Job, found: dict[str, Any]) -> None:
    """Take the run's folder for this process, and write what a new run starts with."""
    if job.run is not None:
        folder.lock()
        return
    files = {
        "spec.yaml": spec_text(job.network),
        "model.py": job.network.emit().text,
        "recipe.yaml": job.recipe.text(),
    }
    folder.lock()
    folder.create(
        files,
        {
            "data.json": {"classes": list(job.feed.classes), **job.feed.about},
            "environment.json": found,
        },
        {
            "name": job.network.name,
            "recipe": job.recipe.name,
            "seed": job.seed,
            "data": dict(job.data),
            "start": vars(job.start),
        },
    )


def _folder(job: Job, world: World) -> Path:
    """Return the run's folder: that named, or a new one, the same for all processes."""
    if job.folder is not None:
        return job.folder
    number = 1
    while (path := Path("runs") / f"{job.network.name}-{job.recipe.name}-{number}").exists():
        number += 1
    chosen = [path]
    if world.size > 1:
        dist.broadcast_object_list(chosen, 0)
    return chosen[0]


def _checkpoint(
    job: Job, folder: RunFolder, log: Log, shown: Silence, world: World, found: dict[str, Any]
) -> Checkpoint | None:
    """Return the checkpoint to go on from, the log cut back to it."""
    if job.run is None:
        return None

    def fits(checkpoint: Checkpoint) -> str | None:
        values = checkpoint.values
        _same_spec(job, values)
        frames = job.recipe.phases[values["position"]["stage"]].frames
        shapes = with_frames(job.network, frames).state
        if not holds(log.path, Mark(*values["log"])):
            return "log.jsonl is not the log that it was saved with"
        return misfit(checkpoint.tensors, shapes)

    checkpoint = latest_checkpoint(folder.checkpoints, shown.note, fits)
    world.wait()
    if checkpoint is None:
        if folder.checkpoints.is_dir() and any(folder.checkpoints.glob("step-*.json")):
            message = f"no checkpoint of {display_path(folder.folder)} is good"
            help = "train anew in another folder with --run"
            raise SpecError(Diagnostic("no-checkpoint", message, help=help))
        # With a checkpoint the difference is told; without one these files are all there is.
        for name in SEALED:
            job.run.intact(name)
        shown.note("no checkpoint was saved: starting from the beginning")
        return None
    if world.is_first:
        log.start(Mark(*checkpoint.values["log"]))
    others = differences(checkpoint.values["environment"], found)
    promise = "bit for bit as if it had never stopped"
    if world.device.type != "cpu":
        promise = "with the same clips in the same order; GPU kernels may round otherwise"
    if others:
        promise = (
            f"with the same clips in the same order; rounding may differ ({', '.join(others)})"
        )
    shown.note(f"going on from step {checkpoint.step}, {promise}")
    return checkpoint


def _same_spec(job: Job, values: Mapping[str, Any]) -> None:
    for what, now in (("spec", spec_text(job.network)), ("recipe", job.recipe.text())):
        if values[what] != now:
            message = f"the checkpoint is of another {what} than the run's {what}.yaml"
            raise other_spec(message, values[what], now, what)
    if values["data"] != job.feed.about:
        raise _other_data(values["data"], job.feed.about)


def _same_data(run: Run, feed: Feed) -> None:
    if run.classes != feed.classes:
        message = f"the data have other classes than the run: {len(feed.classes)}"
        message += f", not {len(run.classes)}"
        if len(run.classes) == len(feed.classes):
            pairs = zip(feed.classes, run.classes, strict=True)
            now, before = next(pair for pair in pairs if pair[0] != pair[1])
            message = f"the data have other classes than the run: `{now}` in place of `{before}`"
        help = "give the run the list that it was started with"
        raise SpecError(Diagnostic("wrong-classes", message, help=help))
    about = {key: value for key, value in run.data.items() if key != "classes"}
    if about != feed.about:
        raise _other_data(about, feed.about)


def _other_data(before: Mapping[str, Any], now: Mapping[str, Any]) -> SpecError:
    changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    message = f"the data are not those that the run was started with: {', '.join(changed)} differ"
    help = "put the lists back as they were, or start a new run with --weights"
    return SpecError(Diagnostic("other-data", message, help=help))


def _first_module(job: Job, shown: Silence, checkpoint: Checkpoint | None) -> nn.Module:
    """Return the module of the first stage to come, with the weights to start from."""
    stage = checkpoint.values["position"]["stage"] if checkpoint else 0
    network = with_frames(job.network, job.recipe.phases[stage].frames)
    module = fresh_module(network, job.seed)
    if checkpoint is None and job.start.weights is not None:
        report = load_weights(
            network, module, job.start.weights, job.start.importer, classes="replace",
            image=job.start.image,
        )  # fmt: skip
        shown.note(f"weights: {report.summary()}")
    return module


__all__ = ["Job", "Options", "Start", "carry_out", "resumed", "started", "train"]
