"""A trained model with its protocol of testing, and the videos that it is shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from stspec.data.lists.columns import VIDEO_SUFFIXES
from stspec.data.manifest import load_manifest, load_split, require_files
from stspec.data.sample import Manifest, Sample
from stspec.diagnostics import Diagnostic, SpecError, did_you_mean, display_path
from stspec.evaluate.model import (
    Model,
    check_classes,
    open_model,
    read_classes,
    run_of,
    sidecar,
    sidecar_classes,
)
from stspec.evaluate.testing import Testing
from stspec.evaluate.views import Views
from stspec.network import Network, Overrides, Target
from stspec.runs.directory import Run
from stspec.train.recipe import DEFAULT, load_recipe
from stspec.train.videos import augmentation

Trained = Run | Network | Target
"""A run or its folder, or a spec, which needs weights."""
Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Tested:
    """A model, and how it looks at videos."""

    model: Model
    testing: Testing

    @property
    def multi_label(self) -> bool:
        """Tell whether a video may have several classes."""
        model = self.model
        known = model.run.data if model.run is not None else sidecar(model.weights)
        return bool(known.get("multi_label"))


def open_tested(
    target: Trained,
    weights: Path | str | None = None,
    overrides: Overrides = (),
    importer: str | None = None,
    recipe: str | Path | None = None,
    *,
    classes: int | None = None,
    needed: Callable[[Network, nn.Module], set[str]] | None = None,
    views: str | None = None,
    sampling: str | None = None,
    stride: int | None = None,
    size: int | None = None,
    fuse: str | None = None,
    by: str | None = None,
) -> Tested:
    """Open a model and its protocol of testing: the recipe's, with what is given in its place.

    Raises:
        SpecError: if either is wrong.
    """
    seen = Views.parse(views) if views is not None else None
    path = None if weights is None else Path(weights)
    model = open_model(
        target, path, overrides, importer=importer, classes=classes, needed=needed
    )  # fmt: skip
    own = str(model.run.intact("recipe.yaml")) if model.run is not None else DEFAULT
    changes: dict[str, Any] = {
        "test.clips": seen and seen.clips, "test.crops": seen and seen.crops,
        "test.sampling": sampling, "test.size": size, "test.fuse": fuse, "test.by": by,
        "data.stride": stride,
    }  # fmt: skip
    given = [(key, value) for key, value in changes.items() if value is not None]
    found = load_recipe(recipe or own, given)
    mean, std = found.data.statistics(model.network.spec.model.clip.channels)
    seeing = augmentation(found, model.network, ())
    return Tested(model, Testing(seeing, tuple(mean), tuple(std), found.test.fuse, found.test.by))


def labelled(
    target: Trained,
    weights: Path | str | None,
    data: Path | str | None,
    split: Split,
    classes: Path | Sequence[str] | None,
    root: Path | str | None,
) -> Manifest:
    """Return the videos with labels that a model is measured on: those named, or its run's own.

    Raises:
        SpecError: if none are known, or their list cannot be read, or files are missing.
    """
    run = run_of(target)
    known = run.classes if run is not None else None
    if run is None and weights is not None:
        known = sidecar_classes(Path(weights))
    given: dict[str, Any] = {"root": root, "classes": classes or known}
    options = {name: value for name, value in given.items() if value is not None}
    if data is not None and Path(data).is_file():
        manifest = load_manifest(data, **options)
    else:
        if data is None:
            data, own = _data_of(run, target)
            options = own | options
        manifest = load_split(data, split, **options)
    require_files(manifest)
    return manifest


def unlabelled(source: Path | str, root: Path | str | None = None) -> Manifest:
    """Return videos of which no label is asked: one, all of a folder, or those of a list.

    Raises:
        SpecError: if there are none, or a file of the list is missing.
    """
    source = Path(source)
    files = _files(source)
    if files is None:
        manifest = load_manifest(source, root=None if root is None else Path(root))
        require_files(manifest)
        return manifest
    folder = source if source.is_dir() else source.parent
    samples = tuple(Sample(name, name) for name in files)
    return Manifest(folder, samples, (), source=str(source))


def class_names(model: Model, given: Path | str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the names of the classes; numbers where nothing tells them.

    Raises:
        SpecError: if names, or a file of them, do not fit the model.
    """
    if given is not None:
        is_file = isinstance(given, str | Path)
        names = read_classes(Path(given)) if isinstance(given, str | Path) else tuple(given)
        check_classes(model, names, str(given) if is_file else "`classes`")
        return names
    scores = model.network.facts.output.channels
    names = model.classes or ()
    return names if len(names) == scores else tuple(f"class {n}" for n in range(scores))


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuse what is none of the choices.

    Raises:
        SpecError: naming those there are.
    """
    choices = tuple(choices)
    if value not in choices:
        help = did_you_mean(value, choices) or f"choose from {', '.join(choices)}"
        raise SpecError(Diagnostic("unknown-choice", f"{name} cannot be `{value}`", help=help))


def _data_of(run: Run | None, target: Trained) -> tuple[str, dict[str, Any]]:
    """Return where a run's data are, and how their lists are read."""
    about = (run.about.get("data") if run is not None else None) or {}
    if "path" not in about:
        message = f"`{_name(target)}` does not tell on which videos it is to be measured"
        help = "name a folder or list with --data"
        raise SpecError(Diagnostic("no-data", message, help=help))
    return str(about["path"]), dict(about.get("lists") or {})


def _name(target: Trained) -> str:
    return target.name if isinstance(target, Network) else str(target)


def _files(source: Path) -> list[str] | None:
    """Return the videos of a folder, or the one that is named; None where it is a list.

    Raises:
        SpecError: if a folder holds no video.
    """
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
