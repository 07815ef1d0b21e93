"""Finds importers: YAML files in specs/importers, or files of the user's own."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from stspec.compose import data_root
from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.weights.importer_file import read_importer
from stspec.weights.patterns import any_match
from stspec.weights.rules import Importer, strip

_SUFFIXES = (".yaml", ".yml")


def importer_names() -> tuple[str, ...]:
    """Return the names of the importers that come with stspec, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml")))


def load_importer(name: str) -> Importer:
    """Return an importer by its name, or from a YAML file.

    Raises SpecError where there is none of that name or its file has mistakes.
    """
    if name.endswith(_SUFFIXES):
        return read_importer(Path(name), _parent)
    if name not in importer_names():
        message = f"there is no importer named `{name}`"
        raise SpecError(
            Diagnostic("unknown-importer", message, help=did_you_mean(name, importer_names()))
        )
    return _shipped(name)


def recognise(keys: Iterable[str]) -> str:
    """Return the name of the importer that a checkpoint's keys speak for.

    Each importer lists patterns; the one of which most fit some key is taken, and among equals
    the one that lists fewest: code bases that extend another share its names. Raises SpecError
    where no pattern of any importer fits.
    """
    keys = tuple(strip(key) for key in keys)
    scored = []
    for name in importer_names():
        importer = _shipped(name)
        hits = any_match(importer.recognise, keys)
        if hits:
            scored.append((-hits, len(importer.recognise), name))
    if scored:
        return min(scored)[2]
    shown = ", ".join(f"`{key}`" for key in keys[:3]) or "no keys at all"
    known = ", ".join(importer_names())
    message = f"the checkpoint's keys fit no code base that is known: {shown}"
    help_text = f"name its importer ({known}), or write one as a YAML file"
    raise SpecError(Diagnostic("unknown-checkpoint", message, help=help_text))


@cache
def _shipped(name: str) -> Importer:
    return read_importer(_folder() / f"{name}.yaml", _parent)


def _parent(name: str) -> Importer:
    if name.endswith(_SUFFIXES):
        message = f"an importer extends one that comes with stspec, by name, not `{name}`"
        raise SpecError(Diagnostic("bad-parent", message))
    return load_importer(name)


def _folder() -> Path:
    return data_root() / "specs" / "importers"
