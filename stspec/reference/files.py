"""Reading of recorded figures: JSON objects, plain or gzip-compressed."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stspec.diagnostics import Diagnostic, SpecError, display_path


def read_json(path: Path) -> Mapping[str, Any]:
    """Read a JSON object from a file, decompressed where its name ends in ``.gz``.

    Raises SpecError where the file cannot be read or holds something else.
    """
    try:
        data = path.read_bytes()
        value = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        message = f"cannot read the figures in `{display_path(path)}`: {error}"
        raise SpecError(Diagnostic("bad-figures", message)) from None
    if not isinstance(value, dict):
        message = f"`{display_path(path)}` holds no JSON object"
        raise SpecError(Diagnostic("bad-figures", message))
    return value
