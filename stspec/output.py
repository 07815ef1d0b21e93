"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from pathlib import Path

from stspec.diagnostics import Diagnostic, SpecError, display_path

_SPEC = re.compile(rb"^(?:\xef\xbb\xbf)?stspec:", re.MULTILINE)
"""How every file that people write for stspec says so; none that stspec writes does."""


def write_text(path: Path, text: str) -> None:
    """Write a text file through a temporary one beside it.

    Raises:
        OSError: if the folder cannot be written; the file is then as it was.
    """
    _write(path, text.encode(), durable=False)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it, and have it on the disk before renaming.

    A power cut leaves the old file or the new one, never a part.

    Raises:
        OSError: if it cannot be written, a full disk included; the file is then as it was.
    """
    _write(path, data, durable=True)


def _write(path: Path, data: bytes, durable: bool) -> None:
    """Put data in a file's place: a link's target, with the mode that it has."""
    mode = path.stat().st_mode if path.exists() else None
    if mode is not None and not stat.S_ISREG(mode):
        _pour(path, data)  # a device or a pipe, which must not become a file
        return
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name[:80]}.{secrets.token_hex(8)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(stat.S_IMODE(mode))
        temporary.replace(path)
        if durable:
            _sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _pour(path: Path, data: bytes) -> None:
    try:  # a pipe that nobody reads from is refused, not waited for
        handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "nobody reads from this pipe") from error
        raise
    os.set_blocking(handle, True)
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def _sync_folder(folder: Path) -> None:
    # The new name is on the disk only when its folder is.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_output(path: Path, content: str | bytes) -> None:
    """Write a file that a user asked for, and its folders.

    Raises:
        SpecError: if it cannot be written.
    """
    try:
        _make_room(path)
        write_bytes(path, content.encode() if isinstance(content, str) else content)
    except BrokenPipeError:
        raise  # whoever read has seen enough
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SpecError(
            Diagnostic(
                "cannot-write",
                f"cannot write `{display_path(path)}`: {reason}",
                help="name another place",
            )
        ) from error


def _make_room(path: Path) -> None:
    """Make the folders of a file; refuse what stands in its place.

    Raises:
        OSError: if it is no file's name, if there is a folder, a spec, a file that is read-only,
            or a file among its folders.
    """
    if str(path) == "-":
        raise OSError(errno.EINVAL, "it is no file's name; what is printed can be redirected")
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder")
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is read-only")
    if path.is_file() and _is_spec(path):
        raise PermissionError(errno.EACCES, "it is a spec, which would be lost")
    for folder in path.parents:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"`{display_path(folder)}` is not a folder")
    path.parent.mkdir(parents=True, exist_ok=True)


def _is_spec(path: Path) -> bool:
    path = path.resolve()
    if path.suffix not in (".yaml", ".yml"):
        return False  # such as a page of documentation with a spec in it
    with path.open("rb") as file:
        return _SPEC.search(file.read(4096)) is not None
