"""The store of runs: what lies where, how a run is begun, and how it becomes a result.

specs/ recipes/ plans/    what was planned
runs/KEY/                 finished runs, each with its result.json
work/KEY/TOKEN/           a run under way; TOKEN is its holder's lease's
leases/KEY.N              who is at a run
failed/KEY.json           what went wrong, an attempt after the other
logs/KEY.log              what was told while it was trained
damaged/KEY-N/            finished runs that were found to be damaged
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stspec.diagnostics import Diagnostic, SpecError, display_path
from stspec.output import write_bytes, write_text
from stspec.study.lease import Lease
from stspec.study.plain import result_from_plain, result_to_plain
from stspec.study.records import PlannedRun, Result

ABOUT = "store.json"
RESULT = "result.json"
FORMAT = 1
KEY = re.compile(r"[0-9a-f]{16}")
UNSEALED = ("checkpoints", "lock", RESULT)
"""Of a run's folder: what no result depends on."""

_PARTS = ("specs", "recipes", "plans", "runs", "work", "leases", "failed", "logs", "data")
_STEP = re.compile(r"step-(\d+)\.json")


class DamagedError(Exception):
    """A finished run is not as it was written: why, in a few words."""


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of runs, shared by studies and by all who work on them."""

    root: Path

    @property
    def runs(self) -> Path:
        """Return the folder of finished runs."""
        return self.root / "runs"

    @property
    def leases(self) -> Path:
        """Return the folder of leases."""
        return self.root / "leases"

    def folder(self, key: str) -> Path:
        """Return the folder of a finished run."""
        return self.runs / key

    def log(self, key: str) -> Path:
        """Return the file of what was told while a run was trained."""
        return self.root / "logs" / f"{key}.log"

    def finished(self, key: str) -> bool:
        """Tell whether a run is finished."""
        return (self.folder(key) / RESULT).is_file()

    def finished_keys(self) -> set[str]:
        """Return the keys of all finished runs."""
        return {name for name in os.listdir(self.runs) if KEY.fullmatch(name)}  # noqa: PTH208

    def results(
        self, runs: Iterable[PlannedRun] | None = None, say: Callable[[str], None] | None = None
    ) -> list[Result]:
        """Return the results that there are, by key, or in the order of a plan.

        Args:
            runs: a study's; a run that several studies share bears the name and the settings that
                it has in this one. All of the store where not given.
            say: is told, in one line, why a result is passed over.
        """
        there = self.finished_keys()
        if runs is None:
            found = {key: self._known(key, say) for key in sorted(there)}
            return [result for result in found.values() if result is not None]
        named = []
        for run in runs:
            result = self._known(run.key, say) if run.key in there else None
            if result is not None:
                named.append(as_planned(result, run))
        return named

    def _known(self, key: str, say: Callable[[str], None] | None) -> Result | None:
        try:
            return self.result(key)
        except DamagedError as error:
            if say is not None:
                say(f"passing over {display_path(self.folder(key))}: {error}")
            return None

    def result(self, key: str) -> Result:
        """Return the result of a finished run.

        Raises:
            DamagedError: if it is not as it was written.
        """
        body = self._body(key)
        try:
            return result_from_plain(body["result"], self.folder(key))
        except (KeyError, TypeError):
            raise DamagedError(f"{RESULT} is damaged") from None

    def verify(self, key: str) -> None:
        """Hold all files of a finished run to their checksums.

        Raises:
            DamagedError: if one is missing, or not as it was written.
        """
        for name, digest in self._body(key)["files"].items():
            try:
                found = file_digest(self.folder(key) / name)
            except OSError as error:
                raise DamagedError(f"{name}: {_why(error)}") from None
            if found != digest:
                raise DamagedError(f"{name} is not as it was written")

    def _body(self, key: str) -> dict[str, Any]:
        try:
            with open(f"{self.root}/runs/{key}/{RESULT}", "rb") as file:  # noqa: PTH123 (quick)
                body = json.loads(file.read())
            sealed = body.pop("sha256") == _seal(body) and body["result"]["key"] == key
        except OSError as error:
            raise DamagedError(f"{RESULT}: {_why(error)}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise DamagedError(f"{RESULT} is damaged") from None
        if not sealed:
            raise DamagedError(f"{RESULT} is damaged")
        if body.get("format") != FORMAT:
            raise DamagedError(f"it is of format {body.get('format')}; this stspec has {FORMAT}")
        return dict(body)

    def begin(self, lease: Lease) -> Path:
        """Return the folder in which the holder of a run works: what others have left, or none.

        Whoever worked on it before cannot reach the folder any more: it bears another name, and
        files that a process may hold open are other ones.

        Raises:
            OSError: if the disk does not take it.
        """
        base = self.root / "work" / lease.key
        mine = base / lease.holder.token
        base.mkdir(parents=True, exist_ok=True)
        left = sorted((p for p in base.iterdir() if p != mine), key=_progress)
        for path in left[:-1]:
            shutil.rmtree(path, ignore_errors=True)
        if left:
            with contextlib.suppress(FileNotFoundError):
                left[-1].rename(mine)
                _detach(mine)
        return mine

    def finish(self, lease: Lease, folder: Path, result: Result) -> bool:
        """Make a run that is complete a result; return whether it was ours to finish.

        Raises:
            OSError: if the disk does not take it.
        """
        files = {
            path.relative_to(folder).as_posix(): file_digest(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.relative_to(folder).parts[0] not in UNSEALED
        }
        body = {"format": FORMAT, "result": result_to_plain(result), "files": files}
        text = json.dumps(body | {"sha256": _seal(body)}, indent=1, ensure_ascii=False)
        write_bytes(folder / RESULT, (text + "\n").encode())
        if not lease.is_valid():
            return False
        try:
            # The one moment at which it becomes finished. A folder that is not empty is never
            # replaced, and ours is gone if another has taken the run over.
            folder.rename(self.folder(result.key))
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT):
                return False
            raise
        return True

    def tidy(self, key: str) -> None:
        """Remove what a finished run needs no more: checkpoints, failures, what others began."""
        for name in ("checkpoints", "lock"):
            _remove(self.folder(key) / name)
        _remove(self.root / "work" / key)
        _remove(self.root / "failed" / f"{key}.json")

    def set_aside(self, key: str) -> Path:
        """Move a damaged run out of the way, so that it is trained again; return where to.

        Raises:
            OSError: if the disk does not take it.
        """
        number = 1
        aside = self.root / "damaged"
        aside.mkdir(exist_ok=True)
        while (path := aside / f"{key}-{number}").exists():
            number += 1
        with contextlib.suppress(FileNotFoundError):  # another was quicker
            self.folder(key).rename(path)
        return path


def as_planned(result: Result, run: PlannedRun) -> Result:
    """Return a result under the name and with the settings that a study has for the run."""
    return replace(result, name=run.name, settings=run.settings, facets=run.facets)


def create_store(path: Path | str) -> Store:
    """Return the store in a folder, made where there is none.

    Raises:
        SpecError: if it cannot be made, or the folder holds something else.
    """
    root = Path(path)
    try:
        if root.is_dir() and not (root / ABOUT).exists() and _is_foreign(root):
            message = f"{display_path(root)} is not empty, and no store of runs"
            help = "name another folder with --store"
            raise SpecError(Diagnostic("no-store", message, help=help))
        for part in _PARTS:
            (root / part).mkdir(parents=True, exist_ok=True)
        if not (root / ABOUT).exists():
            write_text(root / ABOUT, json.dumps({"format": FORMAT}) + "\n")
    except OSError as error:
        message = f"cannot make a store in {display_path(root)}: {_why(error)}"
        raise SpecError(Diagnostic("cannot-write", message)) from error
    return open_store(root)


def open_store(path: Path | str) -> Store:
    """Return the store in a folder.

    Raises:
        SpecError: if there is none, or it is of another format.
    """
    root = Path(path)
    try:
        about = json.loads((root / ABOUT).read_bytes())
        format = about["format"]
    except OSError as error:
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        message = f"there is no store of runs in {display_path(root)}"
        if not absent:
            message = f"cannot read the store {display_path(root)}: {_why(error)}"
        help = "`stspec study run` makes one; --store names its folder" if absent else None
        raise SpecError(Diagnostic("no-store", message, help=help)) from None
    except (ValueError, KeyError, TypeError):
        message = f"{display_path(root / ABOUT)} is damaged"
        help = f'its content is {{"format": {FORMAT}}}'
        raise SpecError(Diagnostic("damaged-store", message, help=help)) from None
    if format != FORMAT:
        message = f"the store in {display_path(root)} is of another format"
        raise SpecError(Diagnostic("other-format", message, help=f"this stspec reads {FORMAT}"))
    for part in _PARTS:
        with contextlib.suppress(OSError):
            (root / part).mkdir(exist_ok=True)
    return Store(root)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def steps_saved(folder: Path) -> int:
    """Return how many steps the newest checkpoint in a run's folder holds; -1 without one."""
    steps = [
        int(match[1])
        for path in folder.glob("checkpoints/step-*.json")
        if (match := _STEP.fullmatch(path.name))
    ]
    return max(steps, default=-1)


def _seal(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _is_foreign(root: Path) -> bool:
    return any(p.name not in _PARTS and not p.name.startswith(".") for p in root.iterdir())


def _progress(folder: Path) -> tuple[bool, int]:
    """Order what several holders have left: without its description a folder is of no use."""
    return (folder / "run.json").is_file(), steps_saved(folder)


def _detach(folder: Path) -> None:
    """Put copies in the place of files that grow, and so are held open; let go of the lock."""
    (folder / "lock").unlink(missing_ok=True)
    for path in folder.glob("*.jsonl"):
        write_bytes(path, path.read_bytes())


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
