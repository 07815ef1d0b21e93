"""A trained model from a run, or from a spec and a file of weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from stspec.diagnostics import Diagnostic, SpecError, display_path
from stspec.graph.model import leaves
from stspec.module import build_module, load_weights
from stspec.network import Network, Overrides, Target, check_scores_clips, load
from stspec.runs.directory import Run, is_run, open_run


@dataclass(frozen=True)
class Model:
    """A network with its trained module."""

    network: Network
    module: nn.Module
    classes: tuple[str, ...] | None
    """Names of the classes, where a run or the weights' sidecar tells them."""
    weights: Path
    run: Run | None = None

    @property
    def about(self) -> dict[str, Any]:
        """Return what identifies the model: its name, fingerprint, and the weights' digest."""
        return {
            "spec": self.network.name,
            "math": self.network.hashes.math,
            "weights": str(self.weights),
            "weights_sha256": _digest(self.weights),
        }


def open_model(
    target: Run | Network | Target,
    weights: Path | None = None,
    overrides: Overrides = (),
    *,
    importer: str | None = None,
    classes: int | None = None,
    needed: Callable[[Network, nn.Module], set[str]] | None = None,
) -> Model:
    """Open a model in evaluation mode.

    Args:
        target: a run or its folder, or a spec: its name, file, or compiled.
        weights: a checkpoint, or the folder of a run; a run's own where not given.
        overrides: of a spec, ``path=value``; a run is as it was trained.
        importer: the code base that the weights are from; recognised where not given.
        classes: how many the spec is to have, where the overrides do not say; as many as the
            weights' sidecar names where not given.
        needed: the nodes that must have weights; all where not given.

    Raises:
        SpecError: if there is no such model, no weights are named, or they leave a part of the
            network that is needed without values.
    """
    run = run_of(target)
    changes = list(overrides)
    if run is not None:
        if changes:
            message = "--set changes a spec, and a run is as it was trained"
            raise SpecError(Diagnostic("run-is-fixed", message))
        network = run.network(run.frames)
        names: tuple[str, ...] | None = run.classes
    else:
        assert not isinstance(target, Run)
        told = sidecar_classes(weights)
        classes = len(told) if classes is None and told is not None else classes
        network, names = _of_spec(target, changes, classes), None
    if needed is None:
        check_scores_clips(network)
    path = _weights_file(weights, run, network.name)
    module = build_module(network)
    report = load_weights(network, module, path, importer)
    wanted = needed(network, module) if needed else {p for p, _ in leaves(network.graph)}
    missing = [e.key for e in report.filled if e.key.rpartition(".")[0] in wanted]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        message = f"{display_path(path)} has no values for {', '.join(missing[:3])}{more}"
        help = "a model of which a part was never trained tells nothing; use its own checkpoint"
        raise SpecError(Diagnostic("incomplete-weights", message, help=help))
    return Model(network, module.eval(), names or sidecar_classes(path), path, run)


def run_of(target: Run | Network | Target) -> Run | None:
    """Return the run that is meant, if one is: itself, or its folder.

    Raises:
        SpecError: if the folder holds none.
    """
    if isinstance(target, Run):
        return target
    named = isinstance(target, str | Path) and Path(target).is_dir()
    return open_run(target) if named and isinstance(target, str | Path) else None


def _of_spec(
    target: Network | Target, changes: list[str | tuple[str, Any]], classes: int | None
) -> Network:
    """Return a compiled spec, of so many classes unless the changes say how many."""
    paths = [c.partition("=")[0].strip() if isinstance(c, str) else c[0] for c in changes]
    if classes is not None and "classes" not in paths:
        changes = [*changes, ("classes", classes)]
    if not isinstance(target, Network):
        return load(target, changes)
    return load(target.spec.tree, changes) if changes else target


def read_classes(path: Path) -> tuple[str, ...]:
    """Return names of classes: one a line, or a JSON list.

    Raises:
        SpecError: if the file cannot be read, or holds none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        message = f"cannot read {display_path(path)}: {str(reason).lower()}"
        raise SpecError(Diagnostic("unreadable-classes", message)) from None
    names: Any = [line.strip() for line in text.splitlines() if line.strip()]
    if path.suffix == ".json":
        try:
            names = json.loads(text)
        except ValueError:
            names = None
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        message = f"{display_path(path)} holds no names of classes"
        help = "write one name a line, or a JSON list of names"
        raise SpecError(Diagnostic("no-classes", message, help=help))
    return tuple(names)


def check_classes(model: Model, names: Sequence[str], where: str) -> None:
    """Refuse names that do not fit a model.

    Raises:
        SpecError: if their number is another one, or the model's own names differ.
    """
    scores = model.network.facts.output.channels
    if len(names) != scores:
        message = f"{model.network.name} gives {scores} scores, {where} has {len(names)} classes"
        help = "scores are told by names in their order: as many names as scores are needed"
        raise SpecError(Diagnostic("class-count", message, help=help))
    if model.classes is not None and model.classes != tuple(names):
        pairs = enumerate(zip(model.classes, names, strict=True))
        number, (ours, theirs) = next(each for each in pairs if each[1][0] != each[1][1])
        message = f"class {number} is `{ours}` for the model and `{theirs}` in {where}"
        help = "scores would be read as other classes; give the list the model's order of classes"
        raise SpecError(Diagnostic("class-names", message, help=help))


def _weights_file(weights: Path | None, run: Run | None, target: str) -> Path:
    if weights is not None:
        return open_run(weights).weights() if is_run(weights) else weights
    if run is not None:
        return run.weights()
    help = "name a checkpoint with --weights, or the folder of a run in place of the spec"
    raise SpecError(Diagnostic("no-weights", f"`{target}` is a spec without weights", help=help))


def sidecar_classes(path: Path | None) -> tuple[str, ...] | None:
    """Return the classes that a checkpoint's sidecar, or a run, tells; None where none does."""
    if path is None:
        return None
    if is_run(path):
        return open_run(path).classes
    names = sidecar(path).get("classes")
    return tuple(map(str, names)) if isinstance(names, list) and names else None


def sidecar(path: Path) -> dict[str, Any]:
    """Return what the file beside weights says of them; nothing where it cannot be read."""
    try:
        told = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
        return dict(told["meta"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
