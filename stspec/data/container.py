"""What a container says about its own length, read from its first bytes. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_SEGMENT = b"\x18\x53\x80\x67"
_EBML = b"\x1a\x45\xdf\xa3"


def missing_bytes(path: Path) -> int:
    """Return how many bytes an mp4, avi, mkv or webm file lacks of what it says it holds.

    0 where it is whole, of another kind, or says nothing.

    Raises:
        OSError: if the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(64)
        if head[:4] == b"RIFF":
            promised = int.from_bytes(head[4:8], "little")
            end = 0 if promised in (0, 0xFFFFFFFF) else promised + 8
        elif head[:4] == _EBML:
            end = _matroska_end(file)
        elif head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
            end = _boxes_end(file, size)
        else:
            end = 0
    # A padding byte at the very end is often left out.
    return max(0, end - size) if end - size > 1 else 0


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Return where the last box of an mp4 file ends."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:16])
        if length == 0:  # to the end of the file
            return size
        if length < 8:  # no box: something was appended
            return 0
        at += length
    return at


def _matroska_end(file: BinaryIO) -> int:
    file.seek(4)
    length = _vint(file)
    if length is None:
        return 0
    file.seek(length, 1)
    if file.read(4) != _SEGMENT:
        return 0
    length = _vint(file)
    return 0 if length is None else file.tell() + length


def _vint(file: BinaryIO) -> int | None:
    """Return EBML's number of variable length, or None where it is unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    extra = 8 - first[0].bit_length()
    mask = (1 << (7 - extra)) - 1
    value = int.from_bytes(bytes([first[0] & mask]) + file.read(extra))
    return None if value == (1 << 7 * (extra + 1)) - 1 else value
