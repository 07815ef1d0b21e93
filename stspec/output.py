"""Files are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from stspec.diagnostics import Diagnostic, SpecError


def write_text(path: Path, text: str) -> None:
    """Write a text file through a temporary one beside it.

    Raises:
        OSError: if the folder cannot be written; the file is then as it was.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it, and have it on the disk before renaming.

    A power cut leaves the old file or the new one, never a part.

    Raises:
        OSError: if it cannot be written, a full disk included; the file is then as it was.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    # The new name is on the disk only when its folder is.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_output(path: Path, text: str) -> None:
    """Write a file that a user asked for.

    Raises:
        SpecError: if it cannot be written.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "is a directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SpecError(
            Diagnostic(
                "cannot-write", f"cannot write {path}: {reason}", help="name another file with -o"
            )
        ) from error
