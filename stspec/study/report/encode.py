"""How data lie in the page: as text that no markup can be made of, small where they are large."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

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


def varints(numbers: ArrayLike) -> bytes:
    """Return non-negative numbers as bytes of seven bits each, the lowest first (LEB128)."""
    import numpy as np

    given = np.asarray(numbers, dtype=np.int64)
    parts = given[:, None] >> np.arange(0, 63, 7)  # (numbers, parts): what is left at each
    more = parts[:, 1:] > 0
    last = np.zeros((len(given), 1), dtype=np.bool_)
    coded = (parts & 127) | (np.concatenate([more, last], axis=1) * 128)
    kept = np.concatenate([~last, more], axis=1)
    return bytes(coded[kept].astype(np.uint8))
