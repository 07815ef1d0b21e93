"""How data lie in the page: as text that no markup can be made of, small where they are large."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable
from typing import Any

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def as_json(values: Any) -> str:
    """Return JSON for a script element: ASCII, and without `<`, `>`, `&`."""
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text


def packed(data: bytes) -> str:
    """Return bytes as base64 of gzip, the same for the same bytes."""
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii")


def packed_json(values: Any) -> str:
    """Return values as base64 of gzip of JSON."""
    return packed(as_json(values).encode("ascii"))


def script_hash(script: str) -> str:
    """Return what a content security policy knows a script by."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def varints(numbers: Iterable[int]) -> bytes:
    """Return non-negative numbers as bytes of seven bits each, the lowest first (LEB128)."""
    found = bytearray()
    for number in numbers:
        while number > 127:
            found.append(number & 127 | 128)
            number >>= 7
        found.append(number)
    return bytes(found)
