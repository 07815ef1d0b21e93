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
)  # fmt: skip
from stspec.cli.options import Root, Set
from stspec.cli.predict import Every, Window, lengths

if TYPE_CHECKING:
    from torch import nn

    from stspec.data.sample import Manifest, Sample
    from stspec.inference.features import Summary
    from stspec.network import Network


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
    from stspec.cli.models import open_tested
    from stspec.cli.screen import write
    from stspec.diagnostics import display_path
    from stspec.evaluate.faults import explained
    from stspec.inference.features import extract
    from stspec.inference.stream import Engine, Sliding
    from stspec.inference.taps import find_tap, watch
    from stspec.train.distributed import joined

    length, step = lengths(window, every)
    manifest = _manifest(source, root)
    tested = open_tested(
        model, weights, sets, importer, recipe, views, needed=lambda n, m: _needed(n, m, at),
        sampling=sampling, stride=stride, size=size,
    )  # fmt: skip
    network, testing = tested.model.network, tested.testing
    tap = find_tap(network, tested.model.module, at)
    about = {
        **tested.model.about, **testing.about, "tap": tap.path, "pool": pool.value,
        "window": str(length) if length else None, "every": str(step) if step else None,
        "precision": precision.value,
    }  # fmt: skip
    with explained(batch), joined(device) as world:
        module = tested.model.module.to(world.device)
        with watch(module, tap, pool=pool.value) as seen:
            engine = Engine(
                module, testing.mean, testing.std, precision.value,
                read=lambda _scores: seen.values[tap.path],
            )  # fmt: skip
            told = extract(
                engine, Sliding(testing.augmentation, length, step), manifest, output, about,
                form=form.value, half=half, batch=batch, workers=workers, broken=broken.value,
                progress=_progress(len(manifest)),
            )  # fmt: skip
    before = f", {told.before} were there" if told.before else ""
    left = f", {told.broken} cannot be read: see broken.jsonl" if told.broken else ""
    write(f"wrote features of {told.written} videos to {display_path(output)}{before}{left}")


def _needed(network: Network, module: nn.Module, at: str | None) -> set[str]:
    """Return the nodes up to the tap: what stands behind it needs no weights."""
    from stspec.graph.model import leaves
    from stspec.inference.taps import find_tap

    tap = find_tap(network, module, at)
    paths = [path for path, _ in leaves(network.graph)]
    last = [i for i, p in enumerate(paths) if p == tap.path or p.startswith(f"{tap.path}.")]
    return set(paths[: last[-1] + 1]) if last else set()


def _manifest(source: Path, root: Path | None) -> Manifest:
    from stspec.data.manifest import load_manifest, require_files

    files = _files(source)
    if files is None:
        manifest = load_manifest(source, root=root)
        require_files(manifest)
        return manifest
    from stspec.data.sample import Manifest, Sample

    folder = source if source.is_dir() else source.parent
    samples = tuple(Sample(name, name) for name in files)
    return Manifest(folder, samples, (), source=str(source))


def _files(source: Path) -> list[str] | None:
    """Return the videos of a folder, or the one that is named; None where it is a list.

    Raises:
        SpecError: if a folder holds no video.
    """
    import os

    from stspec.data.lists.columns import VIDEO_SUFFIXES
    from stspec.diagnostics import Diagnostic, SpecError, display_path

    if not source.is_dir():
        return [source.name] if source.name.lower().endswith(VIDEO_SUFFIXES) else None
    found = [
        (Path(base) / name).relative_to(source).as_posix()
        for base, _, names in os.walk(source)
        for name in names
        if name.lower().endswith(VIDEO_SUFFIXES) and not name.startswith(".")
    ]
    if not found:
        message = f"{display_path(source)} holds no videos"
        help = "for folders of frames, name a list of them"
        raise SpecError(Diagnostic("no-videos", message, help=help))
    return sorted(found)


def _progress(total: int) -> Callable[[Summary, Sample, str | None], None]:
    """Return what tells how far it is, now and then, to standard error."""
    import time

    from stspec.cli.screen import remark

    start = last = time.monotonic()

    def tell(summary: Summary, sample: Sample, fault: str | None) -> None:
        nonlocal last
        if fault is not None:
            remark(f"{sample.id}: {fault}")
        now = time.monotonic()
        if now - last < 10:
            return
        last = now
        done = summary.written + summary.broken
        rate = done / (now - start)
        left = (total - summary.before - done) / rate
        remark(f"{summary.before + done} of {total} videos, {rate:.3g} a second, {left:.0f} s left")

    return tell
