"""`stspec data`: manifests, what is broken, frames as pictures, the built-in data set."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stspec.cli.options import (
    Classes,
    First,
    ListForm,
    Root,
    SampleKind,
    Separator,
    Template,
)  # fmt: skip
from stspec.cli.screen import paint, remark, write

if TYPE_CHECKING:
    from stspec.data.inspect import Finding
    from stspec.data.sample import Manifest


class Action(StrEnum):
    """What is to be done with data."""

    INDEX = "index"
    CHECK = "check"
    EXTRACT = "extract"
    MAKE = "make"


class Broken(StrEnum):
    """What becomes of samples that cannot be read."""

    KEEP = "keep"
    SKIP = "skip"
    ERROR = "error"


def data(
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="|".join(Action))],
    path: Annotated[
        Path,
        typer.Argument(
            metavar="LIST_OR_FOLDER",
            help="A list, a folder with a folder per class, or videos alone; for make, where to.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="Write to this file; extract: to this folder.",
            show_default=False,
        ),
    ] = None,
    root: Root = None,
    classes: Classes = None,
    kind: SampleKind = None,
    template: Template = None,
    start: First = None,
    form: ListForm = None,
    separator: Separator = None,
    every_frame: Annotated[
        bool, typer.Option("--every-frame", help="Decode all frames, not first, middle and last.")
    ] = False,
    broken: Annotated[
        Broken, typer.Option(help="index: what becomes of samples that cannot be read.")
    ] = Broken.KEEP,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    short_side: Annotated[
        int | None, typer.Option(min=1, help="extract: pixels; as it is.", show_default=False)
    ] = None,
    quality: Annotated[int, typer.Option(min=2, max=31, help="extract: JPEG, 2 is best.")] = 2,
    train: Annotated[int, typer.Option(help="make: clips to learn from.")] = 2400,
    val: Annotated[int, typer.Option(help="make: clips to check with.")] = 600,
    frames: Annotated[int, typer.Option(help="make: frames of a clip.")] = 24,
    size: Annotated[int, typer.Option(help="make: height and width.")] = 48,
    seed: Annotated[int, typer.Option(help="make: of everything that is drawn.")] = 0,
) -> None:
    """Index data, check it, take videos apart, make the built-in set.

    index writes a manifest: frames, rate, hash, readable or not; a stopped run goes on where it
    was. check names what is broken. extract writes JPEG frames and their list. make draws clips
    that differ in the order of their frames.

    Exit status: 0 all can be read, 1 something is broken, 2 error.
    """
    if action is Action.MAKE:
        _make(path, train=train, val=val, frames=frames, size=size, seed=seed, workers=workers)
        return
    from stspec.data.lists.splits import part_folders
    from stspec.diagnostics import Diagnostic, SpecError, display_path

    if parts := part_folders(path):
        message = f"{display_path(path)} is no folder of classes: it has the parts of a data set"
        help = f"name one part: {', '.join(display_path(part) for part in parts)}"
        raise SpecError(Diagnostic("several-parts", message, help=help))
    manifest = _manifest(
        path, root=root, classes=classes, kind=kind.value if kind else None, template=template,
        form=form, separator=separator, start=start,
    )  # fmt: skip
    samples = _count(len(manifest), "sample", "samples")
    classed = _count(len(manifest.classes), "class", "classes")
    write(f"{display_path(path)}: {samples}, {classed}")
    for note in manifest.notes:
        write(f"  {note}")
    if action is Action.CHECK:
        _check(manifest, every_frame, workers)
    elif action is Action.INDEX:
        _index(manifest, output or path.with_suffix(".jsonl"), every_frame, workers, broken)
    else:
        _extract(manifest, path, output, short_side, quality)


def _manifest(path: Path, **how: Any) -> Manifest:
    """Return the samples of a list or a folder of classes, or bare videos, without labels."""
    from stspec.api.tested import unlabelled
    from stspec.data.lists.columns import VIDEO_SUFFIXES
    from stspec.data.lists.folders import class_folders
    from stspec.data.manifest import load_manifest

    is_video = path.is_file() and path.name.lower().endswith(VIDEO_SUFFIXES)
    is_flat = path.is_dir() and not class_folders(path)
    if (is_video or is_flat) and all(value is None for value in how.values()):
        return unlabelled(path)
    return load_manifest(path, **how)


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _check(manifest: Manifest, every_frame: bool, workers: int) -> None:
    from stspec.data.inspect import inspect_all

    found = inspect_all(manifest, manifest, every_frame=every_frame, workers=workers)
    faults = _tell(manifest, found)
    if faults:
        raise typer.Exit(1)


def _index(
    manifest: Manifest, output: Path, every_frame: bool, workers: int, broken: Broken
) -> None:
    from stspec.data.inspect import write_index
    from stspec.diagnostics import Diagnostic, SpecError, display_path

    if output.exists() and manifest.source and output.samefile(manifest.source):
        message = f"the list is {display_path(output)} itself"
        raise SpecError(Diagnostic("same-file", message, help="name another file with -o"))
    skip = broken is Broken.SKIP
    found = write_index(
        manifest, output, every_frame=every_frame, workers=workers, skip_broken=skip
    )
    faults = _tell(manifest, found)
    left_out = f", {faults} left out" if skip and faults else ""
    write(f"wrote {display_path(output)} ({len(manifest) - (faults if skip else 0)}{left_out})")
    if faults and broken is Broken.ERROR:
        message = f"{faults} of {len(manifest)} samples cannot be read"
        help = "mend or remove them, or ask for --broken skip"
        raise SpecError(Diagnostic("broken-samples", message, help=help))


def _extract(
    manifest: Manifest, path: Path, output: Path | None, short_side: int | None, quality: int
) -> None:
    from stspec.data.extract import extract
    from stspec.diagnostics import display_path

    folder = output or path.parent / f"{path.stem}_frames"
    name = f"{path.stem}.jsonl"
    faults = there = 0
    found = extract(manifest, folder, name, short_side=short_side, quality=quality)
    for number, item in enumerate(found, 1):
        _progress(number, len(manifest))
        there += item.again
        if item.fault:
            faults += 1
            _fault(manifest.path(item.sample), item.fault)
    _progress_ends()
    done = _count(len(manifest) - faults, "sample", "samples")
    before = f", {there} were there" if there else ""
    write(f"wrote {display_path(folder / name)} ({done}{before}, {faults} broken)")
    if faults:
        raise typer.Exit(1)


def _tell(manifest: Manifest, findings: Iterable[Finding]) -> int:
    """Print what is wrong as it is found, then the sum; return how many are broken."""
    faults = stale = frames = 0
    for number, finding in enumerate(findings, 1):
        _progress(number, len(manifest))
        path = manifest.path(finding.sample)
        frames += finding.sample.frames or 0 if finding.fault is None else 0
        if finding.fault is not None:
            faults += 1
            _fault(path, finding.fault)
        elif finding.stale is not None:
            stale += 1
            _fault(path, finding.stale, "stale")
    _progress_ends()
    good = len(manifest) - faults
    write(f"{good} of {len(manifest)} can be read: {frames:,} frames; {stale} counts are stale")
    return faults


def _fault(path: Path, reason: str, word: str = "broken") -> None:
    from stspec.diagnostics import display_path

    _progress_ends()
    write(
        f"{paint()(word, 'red' if word == 'broken' else 'yellow')}  {display_path(path)}: {reason}"
    )


def _progress(number: int, total: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{number} of {total}")


def _progress_ends() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")


def _make(folder: Path, **settings: Any) -> None:
    from stspec.data.motions import make_motions
    from stspec.diagnostics import display_path

    make_motions(folder, **settings)
    write(f"{display_path(folder)}: {settings['train']} clips in train.csv, "
          f"{settings['val']} in val.csv")  # fmt: skip
    remark("train on it: stspec train SPEC --data " + display_path(folder))
