"""Runs and results as plain values, for JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from stspec.study.records import Facets, PlannedRun, Result

_RUN = frozenset(field.name for field in fields(PlannedRun))
_RESULT = frozenset(field.name for field in fields(Result)) - {"folder"}


def run_to_plain(run: PlannedRun) -> dict[str, Any]:
    """Return a planned run as plain values."""
    return asdict(run)


def run_from_plain(plain: Mapping[str, Any]) -> PlannedRun:
    """Return the planned run of plain values.

    Raises:
        TypeError, KeyError: if they are not those of one.
    """
    return PlannedRun(**_known(plain, _RUN) | {"facets": Facets(**plain["facets"])})


def result_to_plain(result: Result) -> dict[str, Any]:
    """Return a result as plain values, its folder aside."""
    plain = asdict(result)
    del plain["folder"]
    return plain


def result_from_plain(plain: Mapping[str, Any], folder: Path | None = None) -> Result:
    """Return the result of plain values.

    Raises:
        TypeError, KeyError: if they are not those of one.
    """
    given = _known(plain, _RESULT)
    return Result(**given | {"facets": Facets(**plain["facets"]), "folder": folder})


def _known(plain: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    if unknown := set(plain) - names:
        raise TypeError(f"unknown: {', '.join(sorted(unknown))}")
    return dict(plain)
