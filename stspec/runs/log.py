"""The log of a run: JSON lines, the truth about it, free of times so that runs can be compared."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from stspec.diagnostics import Diagnostic, SpecError, display_path

_REFUSED = (
    errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS,
    errno.ENAMETOOLONG,
)  # fmt: skip
GOOD = "what was saved before is good: make room and"
UNTOUCHED = f"{GOOD} `stspec train --resume` the run"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a log: bytes before it, and their SHA-256."""

    offset: int
    sha256: str


class Log:
    """Appends records, one a line. What follows a checkpoint's mark is cut off on resuming."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hash = hashlib.sha256()
        self._offset = 0
        self._file: BinaryIO | None = None

    def start(self, mark: Mark | None = None) -> None:
        """Open the log, cut back to a mark, or empty.

        Raises:
            SpecError: if it cannot be written.
        """
        data = self.path.read_bytes()[: mark.offset] if mark is not None else b""
        self._hash, self._offset = hashlib.sha256(data), len(data)
        with Writing(self.path):
            self._file = self.path.open("r+b" if self.path.exists() else "w+b")
            self._file.truncate(len(data))
            self._file.seek(len(data))

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record; it has left the process when this returns.

        Raises:
            SpecError: if it cannot be written.
        """
        assert self._file is not None, "the log is not started"
        line = (json.dumps(record) + "\n").encode()
        with Writing(self.path):
            self._file.write(line)
            self._file.flush()
        self._hash.update(line)
        self._offset += len(line)

    def mark(self) -> Mark:
        """Return the place after the last record, which is on the disk then.

        Raises:
            SpecError: if it cannot be written.
        """
        assert self._file is not None, "the log is not started"
        with Writing(self.path):
            os.fsync(self._file.fileno())
        return Mark(self._offset, self._hash.hexdigest())

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            # What a full disk did not take is tried once more; the failure was told the first time.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None


def holds(path: Path, mark: Mark) -> bool:
    """Tell whether a log begins with what a mark stands for."""
    try:
        with path.open("rb") as file:
            data = file.read(mark.offset)
    except OSError:
        return mark.offset == 0
    return len(data) == mark.offset and hashlib.sha256(data).hexdigest() == mark.sha256


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a log; a last line that a crash has cut short is left out.

    Raises:
        SpecError: if another line is damaged, or the file cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        message = f"cannot read {display_path(path)}: {why}"
        raise SpecError(Diagnostic("unreadable-log", message)) from None
    for number, line in enumerate(lines[:-1], 1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            message = f"line {number} of {display_path(path)} is damaged"
            raise SpecError(Diagnostic("damaged-log", message))
        yield record


class Writing:
    """Turns a failure to write into a diagnosis; what was saved before stays good.

    Args:
        path: what is written.
        option: the option of the command line that names the folder.
        room: what to do when the disk is full.
    """

    def __init__(self, path: Path, option: str = "--run", room: str = UNTOUCHED) -> None:
        self.path, self.option, self.room = path, option, room

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            why = (error.strerror or str(error)).lower()
            message = f"cannot write {display_path(self.path)}: {why}"
            elsewhere = f"name another folder with {self.option}, or see to it that this one can "
            help = f"{elsewhere}be written" if error.errno in _REFUSED else self.room
            raise SpecError(Diagnostic("unwritable-run", message, help=help)) from error
