"""Manifests of our own: JSON lines, the first of which holds for all samples."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from stspec.data.lists.entry import read_lines
from stspec.data.sample import Kind, Manifest, Sample
from stspec.diagnostics import Diagnostic, SpecError, display_path
from stspec.output import write_output

MARK = "stspec-manifest"
VERSION = 1


def is_saved(path: Path) -> bool:
    """Tell whether a file is a manifest of ours."""
    try:
        with path.open("rb") as file:
            return file.read(64).startswith(f'{{"{MARK}": '.encode())
    except OSError:
        return False


def heading(manifest: Manifest, path: Path) -> str:
    """Return the first line of a manifest that lies at a path."""
    root = os.path.relpath(manifest.root.absolute(), path.absolute().parent)
    head = {
        MARK: VERSION,
        "root": root,
        "kind": manifest.kind,
        "template": manifest.template,
        "start": manifest.start,
        "multi_label": manifest.multi_label,
        "classes": manifest.classes,
    }
    return json.dumps(head, ensure_ascii=False)


def row(sample: Sample, **more: object) -> str:
    """Return a sample's line; what is not known is left out."""
    known = {k: v for k, v in asdict(sample).items() if v is not None}
    return json.dumps(known | more, ensure_ascii=False)


def write_saved(manifest: Manifest, path: Path) -> None:
    """Write a manifest.

    Raises:
        SpecError: if it cannot be written.
    """
    lines = [heading(manifest, path), *map(row, manifest)]
    write_output(path, "\n".join(lines) + "\n")


def read_saved(path: Path) -> Manifest:
    """Read a manifest; its paths start from where it says, relative to itself.

    Raises:
        SpecError: if it is damaged or of another version.
    """
    lines = read_lines(path)
    number = 1
    try:
        head = json.loads(lines[0].text)
        if head[MARK] != VERSION:
            raise ValueError(f"version {head[MARK]}")
        classes = tuple(map(str, head["classes"]))
        samples = []
        for line in lines[1:]:
            number = line.number
            samples.append(_sample(json.loads(line.text), len(classes)))
        if head["kind"] not in get_args(Kind):
            raise ValueError(f"kind {head['kind']}")
        root = Path(os.path.normpath(path.parent / str(head["root"])))
        return Manifest(
            root, tuple(samples), classes, head["kind"], str(head["template"]),
            int(head["start"]), bool(head["multi_label"]), str(path), ("a manifest of stspec's",),
        )  # fmt: skip
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        message = f"line {number} of {display_path(path)} is no manifest's: {error}"
        help = "write it again with `stspec data index`"
        raise SpecError(Diagnostic("bad-manifest", message, help=help)) from error


_KNOWN = {field.name for field in fields(Sample)}
_WHOLE = ("first", "last", "frames")


def _sample(found: dict[str, Any], classes: int) -> Sample:
    known = {name: value for name, value in found.items() if name in _KNOWN}
    known["labels"] = tuple(known.get("labels", ()))
    numbers = [*known["labels"], *(known[name] for name in _WHOLE if name in known)]
    if any(not isinstance(number, int) or number < 0 for number in numbers):
        raise ValueError("a number is none")
    if any(label >= classes for label in known["labels"]):
        raise ValueError(f"a label is not below {classes}")
    if not isinstance(known["id"], str) or not isinstance(known["path"], str):
        raise ValueError("id and path are texts")
    return Sample(**known)
