"""The folder of a run: what lies where, who may write in it, and how it is read again."""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from stspec.diagnostics import (
    Diagnostic,
    Label,
    Span,
    SpecError,
    did_you_mean,
    display_path,
    remember_text,
)
from stspec.network import Network, load
from stspec.output import write_text
from stspec.runs.log import Writing
from stspec.runs.weights import FILE
from stspec.source import Mapping as Tree
from stspec.source import Scalar, read_file, to_plain

ABOUT = "run.json"
FORMAT = 1
SEALED = ("spec.yaml", "recipe.yaml", "data.json")
"""Files that results are computed from: `run.json` has their SHA-256, and its own."""

_locked: set[Path] = set()
# Locks of one process do not exclude one another.


@dataclass(frozen=True)
class Run:
    """A run as it lies on the disk."""

    folder: Path

    @property
    def spec_path(self) -> Path:
        """Return the file of the resolved spec."""
        return self.folder / "spec.yaml"

    @property
    def weights_path(self) -> Path:
        """Return where the weights lie once an epoch is complete."""
        return self.folder / FILE

    @cached_property
    def about(self) -> dict[str, Any]:
        """Return name, seed, data and what else the run was started with."""
        about = self._json(ABOUT)
        sealed = about.pop("sha256", None) == _digest(_text(about)) and _names_seals(about)
        if about.get("format") == FORMAT and not sealed:
            raise self._damaged(ABOUT)
        return about

    @cached_property
    def data(self) -> dict[str, Any]:
        """Return what was learnt from: digests, classes, lists."""
        self.intact("data.json")
        return self._json("data.json")

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes, in the order of the scores."""
        names = self.data.get("classes")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._damaged("data.json")
        return tuple(names)

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """Return the resolved recipe as plain values."""
        plain = to_plain(read_file(self.intact("recipe.yaml")))
        assert isinstance(plain, dict)
        return dict(plain)

    @property
    def frames(self) -> int:
        """Return the frames of the clips that the weights were last trained on."""
        stages = self.recipe.get("stages")
        last = stages[-1] if isinstance(stages, list) and stages else {}
        return int(last.get("frames") or self.network().spec.model.clip.frames)

    def network(self, frames: int | None = None) -> Network:
        """Return the compiled spec, for clips of its own or of another number of frames.

        Raises:
            SpecError: if the spec was changed or damaged.
        """
        self.intact("spec.yaml")
        return self.network_as_found(frames)

    def network_as_found(self, frames: int | None = None) -> Network:
        """Return the network of a spec that may have been changed since the run was started.

        Raises:
            SpecError: if it is no spec any more.
        """
        tree = read_file(self.spec_path)
        name = Scalar("name", tree.span), Scalar(str(self.about.get("name", "run")), tree.span)
        whole = Tree((name, *tree.without("name").entries), tree.span, tree.origin)
        return load(whole, [("clip.frames", frames)] if frames else ())

    def weights(self) -> Path:
        """Return the file of the weights.

        Raises:
            SpecError: if there is none yet.
        """
        if not self.weights_path.is_file():
            message = f"the run {display_path(self.folder)} has no weights yet"
            help = "they are written after the first epoch: `stspec train --resume` goes on"
            raise SpecError(Diagnostic("no-weights", message, help=help))
        return self.weights_path

    def intact(self, name: str) -> Path:
        """Return one of the files that results are computed from, if it is as it was written.

        Raises:
            SpecError: if it is not.
        """
        path = self.folder / name
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise _unreadable(path, error) from None
        if found != self.about["files"][name]:
            message = f"{display_path(path)} is not as it was when the run was started"
            help = "put it back as it was, or train anew in another folder with --run"
            raise SpecError(Diagnostic("damaged-run", message, help=help))
        return path

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / name).read_bytes())
        except OSError as error:
            raise _unreadable(self.folder / name, error) from None
        except (ValueError, RecursionError):
            raise self._damaged(name) from None
        if not isinstance(found, dict):
            raise self._damaged(name)
        return found

    def _damaged(self, name: str) -> SpecError:
        message = f"{display_path(self.folder / name)} is damaged"
        help = "train anew in another folder with --run"
        return SpecError(Diagnostic("damaged-run", message, help=help))


def is_run(path: Path) -> bool:
    """Tell whether a folder holds a run."""
    return (path / ABOUT).is_file()


def open_run(path: Path | str) -> Run:
    """Return the run in a folder.

    Raises:
        SpecError: if there is none.
    """
    folder = Path(path)
    if not is_run(folder):
        parent = folder.parent
        runs = [p.name for p in parent.iterdir() if is_run(p)] if parent.is_dir() else []
        message = f"there is no run in {display_path(folder)}"
        help = did_you_mean(folder.name, sorted(runs)) or None
        raise SpecError(Diagnostic("no-run", message, help=help))
    run = Run(folder)
    if run.about.get("format") != FORMAT:
        message = f"the run in {display_path(folder)} is of another format"
        raise SpecError(Diagnostic("other-format", message, help=f"this stspec reads {FORMAT}"))
    return run


class RunFolder:
    """The folder of a run that is being trained, locked against a second one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoints = folder / "checkpoints"
        self._lock: BinaryIO | None = None

    def create(
        self, texts: Mapping[str, str], values: Mapping[str, Mapping[str, Any]],
        about: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """Write what a run is started with into the locked folder; `run.json` comes last.

        Raises:
            SpecError: if the folder holds a run already, or cannot be written.
        """
        if is_run(self.folder):
            raise self._taken(texts.get("spec.yaml", ""))
        with Writing(self.folder):
            for name, text in texts.items():
                write_text(self.folder / name, text)
        for name, found in values.items():
            self.write(name, found)
        written = {**texts, **{name: _text(found) for name, found in values.items()}}
        seals = {name: _digest(written[name]) for name in SEALED if name in written}
        whole = {"format": FORMAT, **about, "files": seals}
        self.write(ABOUT, {**whole, "sha256": _digest(_text(whole))})

    def write(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a JSON file of the run.

        Raises:
            SpecError: if it cannot be written.
        """
        with Writing(self.folder / name):
            write_text(self.folder / name, _text(values))

    def lock(self) -> None:
        """Take the folder for this process; it is let go when the process ends, however it does.

        Raises:
            SpecError: if another process trains in it, or it cannot be written.
        """
        path = self.folder.resolve() / "lock"
        if path in _locked:
            raise _in_use(self.folder, "this process")
        with Writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            file = path.open("a+b")
        try:
            # Not flock, which workers would inherit and hold after their parent was killed.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_ino != path.stat().st_ino:
                raise FileNotFoundError
        except OSError:
            file.seek(0)
            who = file.read(200).decode(errors="replace").strip()
            file.close()
            raise _in_use(self.folder, who) from None
        _locked.add(path)
        self._lock = file
        with Writing(path):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            file.flush()

    def unlock(self) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            path = self.folder.resolve() / "lock"
            path.unlink(missing_ok=True)
            _locked.discard(path)
            with contextlib.suppress(OSError):  # a full disk has been told of
                self._lock.close()
            self._lock = None

    def _taken(self, spec: str) -> SpecError:
        name = display_path(self.folder)
        try:
            before = (self.folder / "spec.yaml").read_text(encoding="utf-8")
        except (OSError, ValueError):
            before = spec
        if _body(before) != _body(spec):
            return other_spec(f"{name} holds a run of another spec", before, spec)
        help = f"go on with `stspec train --resume {name}`, or name another folder with --run"
        return SpecError(Diagnostic("run-exists", f"{name} holds a run already", help=help))


def other_spec(message: str, before: str, now: str, what: str = "spec") -> SpecError:
    """Return the refusal of a checkpoint or a run of another spec, with the difference."""
    lines = difflib.unified_diff(
        _body(before), _body(now), f"{what} of the run", f"{what} asked for",
        lineterm="", n=1,
    )  # fmt: skip
    text = "\n".join(lines)
    name = "<difference>"
    remember_text(name, text)
    changed = [
        Label(Span(name, number, 1, number, len(line) + 1), "")
        for number, line in enumerate(text.split("\n"), 1)
        if line[:1] in ("-", "+") and number > 2
    ]
    help = "name another folder with --run to train it from the start, or leave it as it was"
    return SpecError(Diagnostic(f"other-{what}", message, tuple(changed[:40]), help))


def _body(text: str) -> list[str]:
    """Return the lines of a text, its heading aside, which is but a name."""
    return [line for line in text.splitlines() if not line.startswith("#")]


def _in_use(folder: Path, who: str) -> SpecError:
    message = f"another run is training in {display_path(folder)}" + (f": {who}" if who else "")
    return SpecError(Diagnostic("run-in-use", message, help="name another folder with --run"))


def _unreadable(path: Path, error: OSError) -> SpecError:
    why = (error.strerror or str(error)).lower()
    return SpecError(Diagnostic("unreadable-run", f"cannot read {display_path(path)}: {why}"))


def _names_seals(about: Mapping[str, Any]) -> bool:
    files = about.get("files")
    return isinstance(files, dict) and set(files) == set(SEALED)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"
