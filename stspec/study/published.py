"""Accuracies that papers print, as results that can stand beside one's own. Imports no torch."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from stspec.compose import data_root
from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.source import Plain, read_file, to_plain
from stspec.study.labels import model_name
from stspec.study.records import Facets, Result

PREFIX = "published:"
"""What stands before the name where a store could stand as well."""

_FACETS = ("data", "policy", "backbone", "temporal_pooling", "frames", "head")
_KNOWN = (*_FACETS, "top1", "top5", "params", "macs")
_INTEGERS = ("epochs", "batch", "printed_macs")
_SHARES = ("clip_top1",)


@dataclass(frozen=True, slots=True)
class Published:
    """A published table: where it is from, and its rows."""

    name: str
    about: str
    paper: str
    source: str
    level: str
    """Of `top1`: clip or video."""
    notes: tuple[str, ...]
    results: tuple[Result, ...]


def published_names() -> list[str]:
    """Return the names of the tables that are shipped, sorted."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def published(name: str) -> list[Result]:
    """Return the results of a published table, in its order.

    >>> results = published("study2021")
    >>> len(results), results[0].name, results[0].top1
    (288, 'mini_ssv2/tsn_inceptionv1-f8', 0.331384)

    Raises:
        SpecError: `unknown-table`, with the nearest name.
    """
    return list(open_published(name).results)


@lru_cache(maxsize=8)
def open_published(name: str) -> Published:
    """Return a published table with what is known of its source.

    Raises:
        SpecError: `unknown-table`, with the nearest name.
    """
    names = published_names()
    if name not in names:
        message = f"there is no published table `{name}`"
        raise SpecError(Diagnostic("unknown-table", message, help=did_you_mean(name, names)))
    about = to_plain(read_file(_folder() / f"{name}.yaml"))
    assert isinstance(about, dict)
    told = {key: str(about[key]) for key in ("about", "paper", "source", "level")}
    notes = about["notes"]
    assert isinstance(notes, list)
    with (_folder() / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    data = about["data"]
    assert isinstance(data, dict)
    sampling = str(about["sampling"])
    # Whether policies say by themselves if time is pooled, so that models' names need not.
    implied = about.get("implied_pooling") is True
    results = tuple(_result(name, sampling, row, data[row["data"]], implied) for row in rows)
    return Published(name, **told, notes=tuple(map(str, notes)), results=results)


def same_model(facets: Facets) -> Facets:
    """Return what a model and a paper's share, however frames are drawn and data are spelt."""
    data = facets.data.lower().replace("-", "_")
    return replace(facets, data=data, sampling="")


@lru_cache(maxsize=1)
def counterparts() -> Mapping[Facets, tuple[tuple[str, float], ...]]:
    """Return all published top-1 accuracies, with their tables' names, by `same_model`."""
    found: dict[Facets, tuple[tuple[str, float], ...]] = {}
    for name in published_names():
        for each in published(name):
            if each.top1 is not None:
                place = same_model(each.facets)
                found[place] = (*found.get(place, ()), (name, each.top1))
    return found


def _folder() -> Path:
    return data_root() / "specs" / "published"


def _result(
    table: str, sampling: str, row: Mapping[str, str], data: Plain, implied: bool
) -> Result:
    facets = Facets(
        data=row["data"],
        backbone=row["backbone"],
        policy=row["policy"],
        temporal_pooling=row["temporal_pooling"] == "yes",
        frames=int(row["frames"]),
        sampling=sampling,
        head=row.get("head", ""),
    )
    named = replace(facets, temporal_pooling=False) if implied else facets
    name = f"{facets.data}/{model_name(named)}-f{facets.frames}"
    key = hashlib.sha256(f"{table}/{name}".encode()).hexdigest()[:16]
    settings: dict[str, Plain] = {
        "data": facets.data,
        "policy": facets.policy,
        "backbone": facets.backbone,
        "policy.pooling": facets.temporal_pooling,
        "clip.frames": facets.frames,
    }
    if facets.head:
        settings["head"] = facets.head
    return Result(
        key=key,
        name=name,
        facets=facets,
        settings=settings,
        top1=_share(row["top1"]),
        top5=_share(row["top5"]) if "top5" in row else None,
        mean_class=None,
        params=int(row["params"]),
        macs=int(row["macs"]),
        source="published",
        extra=(data if isinstance(data, dict) else {})
        | {key: _value(key, text) for key, text in row.items() if key not in _KNOWN},
    )


def _share(percent: str) -> float:
    # Digits of the print, as the nearest number: 33.1384 % is 0.331384.
    return float(f"{percent}e-2")


def _value(key: str, text: str) -> Plain:
    if key in _INTEGERS:
        return int(text)
    if key in _SHARES:
        return _share(text)
    return text == "yes" if text in ("yes", "no") else text
