"""Source text for excerpts: read again from the file, or remembered where there is no file."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

# What YAML counts as the end of a line (str.splitlines would count more).
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_LARGEST = 1 << 20
_remembered: dict[str, str] = {}


def remember_text(name: str, text: str) -> None:
    """Keep a text that is in no file (`<--set>`), so that excerpts of it can be shown."""
    _remembered[name] = text


def display_path(path: str | os.PathLike[str]) -> str:
    """The path as messages show it: relative to the working directory where that is shorter."""
    given = os.fspath(path)
    try:
        relative = os.path.relpath(given)
    except (ValueError, OSError):  # another drive, or a working directory that is gone
        return given
    return relative if len(relative) < len(given) else given


def source_lines(file: str) -> list[str] | None:
    """Lines of a remembered text or a file, or None where it cannot be shown (never raises)."""
    text = _remembered.get(file)
    if text is None:
        text = _read(file)
    return None if text is None else _BREAK.split(text)


def _read(file: str) -> str | None:
    try:
        path = Path(file)
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > _LARGEST:
            return None
        return path.read_bytes().decode("utf-8-sig", errors="replace")
    except (OSError, ValueError):
        return None
