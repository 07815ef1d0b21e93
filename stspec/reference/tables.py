"""Published figures as data: JSON objects, compressed where they are long."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean, display_path
from stspec.reference.files import read_json


def load_table(folder: Path | str, name: str) -> Mapping[str, Any]:
    """Read the table `name` from NAME.json or NAME.json.gz of a folder.

    Raises SpecError where there is no such table or it cannot be read.
    """
    folder = Path(folder)
    for path in (folder / f"{name}.json", folder / f"{name}.json.gz"):
        if path.is_file():
            return read_json(path)
    known = {path.name.partition(".")[0] for path in folder.glob("*.json*")}
    message = f"there is no table named `{name}` in `{display_path(folder)}`"
    help_text = did_you_mean(name, sorted(known)) or None
    raise SpecError(Diagnostic("unknown-table", message, help=help_text))
