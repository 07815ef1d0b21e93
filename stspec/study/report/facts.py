"""What was compared and how, in words: models, protocol, data, versions, and what to mind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stspec.study.records import Result
from stspec.study.report.details import Detail
from stspec.study.report.rows import DASH, ordered, place, pooling

MOST = 6
"""Values that are named; of more the rest are counted."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A term and what is to be said of it."""

    term: str
    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """A part of the protocol in full: a table."""

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def lead(results: Sequence[Result], planned: int, about: str) -> str:
    """Return the sentence under the title."""
    yours = sum(each.source == "yours" for each in results)
    others = len(results) - yours
    parts = []
    if yours or not others:
        parts.append(
            f"{_count(yours, 'run')}{f' of {planned:,} planned' if planned > yours else ''}"
        )
    if others:
        parts.append(_count(others, "published result"))
    told = " beside ".join(parts) + "."
    return f"{about.rstrip('.')}. {told}" if about else told


def facts(results: Sequence[Result], details: Sequence[Detail | None]) -> list[Fact]:
    """Return what the models differ in, and what they share."""
    facets = [each.facets for each in results]
    every: list[tuple[str, Iterable[Any]]] = [
        ("Data", (each.data for each in facets)),
        ("Policies", (each.policy for each in facets)),
        ("Backbones", (each.backbone for each in facets)),
        ("Time", (pooling(each) for each in facets)),
        ("Frames", (each.frames for each in facets)),
        ("Sampling", (each.sampling for each in facets)),
        ("Heads", (each.head for each in facets if each.head)),
        ("Recipes", _told(details, "about", "recipe")),
        ("Seeds", (each.seed for each in results if each.seed is not None)),
        ("stspec", _told(details, "environment", "stspec")),
        ("torch", _told(details, "environment", "torch")),
        ("Devices", _told(details, "environment", "device")),
    ]
    named = [Fact(term, _list(ordered(values))) for term, values in every]
    return [fact for fact in named if fact.text]


def cautions(results: Sequence[Result]) -> list[str]:
    """Return what a reader must know before taking a difference for a fact."""
    yours = [each for each in results if each.source == "yours"]
    found = []
    if yours:
        found.append(_seeds(yours))
    if len(yours) < len(results):
        found.append(
            "Published accuracies are as printed, most of one training each: nothing is known of "
            "how much they would vary."
        )
    if len({each.facets.data for each in results}) > 1:
        found.append("Accuracies on different data sets cannot be compared with one another.")
    return found


def protocol(results: Sequence[Result], details: Sequence[Detail | None]) -> list[Group]:
    """Return recipes, data and machines in full, each with the number of runs that it was of."""
    known = [each for each in details if each is not None]
    return [_recipes(known), _data(known), _machines(known), _hashes(results)]


def _seeds(yours: Sequence[Result]) -> str:
    counts = Counter(Counter(_but_seed(each) for each in yours).values())
    if set(counts) == {1}:
        return (
            "n = 1 seed: each model was trained once. Intervals are over videos; how much another "
            "seed would change is not known."
        )
    told = ", ".join(
        f"{_count(n, 'model')} of {_count(k, 'seed')}" for k, n in sorted(counts.items())
    )
    return f"Seeds: {told}."


def _but_seed(result: Result) -> tuple[Any, ...]:
    settings = tuple(
        (path, str(value)) for path, value in result.settings.items() if path != "seed"
    )
    return (*place(result.facets), settings)


def _recipes(details: Sequence[Detail]) -> Group:
    found = Counter((str(each.about.get("recipe", DASH)), each.recipe or "") for each in details)
    rows = tuple((name, f"{count:,}", _digest(text)) for (name, text), count in found.items())
    columns = ("Recipe", "runs", "SHA-256, first 16")
    return Group("Recipes", "The recipes in full stand with each model below.", columns, rows)


def _data(details: Sequence[Detail]) -> Group:
    found = Counter(
        (
            str((each.about.get("data") or {}).get("path", DASH)),
            _part(each, "train"),
            _part(each, "val"),
        )
        for each in details
    )
    rows = tuple((*key, f"{count:,}") for key, count in found.items())
    columns = ("Data", "to train: clips, digest", "to validate: clips, digest", "runs")
    return Group("Data", "Digests are of samples, labels and classes.", columns, rows)


def _path(detail: Detail) -> str:
    data = detail.about.get("data")
    return str(data.get("path", DASH)) if isinstance(data, dict) else DASH


def _part(detail: Detail, name: str) -> str:
    part = detail.data.get(name)
    if not isinstance(part, dict):
        return DASH
    return f"{part.get('count', DASH)}, {str(part.get('digest', DASH))[:16]}"


def _machines(details: Sequence[Detail]) -> Group:
    names = ("stspec", "torch", "python", "device", "world", "platform")
    found = Counter(
        tuple(str(each.environment.get(name, DASH)) for name in names) for each in details
    )
    rows = tuple((*key, f"{count:,}") for key, count in found.items())
    columns = ("stspec", "torch", "Python", "device", "processes", "platform", "runs")
    caption = "What the runs were trained with."
    return Group("Programs and machines", caption, columns, rows)


def _hashes(results: Sequence[Result]) -> Group:
    rows = tuple((each.name, each.key) for each in results if each.source == "yours")
    caption = "A run's key is of its math, first weights, recipe, data and seed."
    return Group("Keys of the runs", caption, ("Run", "key"), rows)


def _digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else DASH


def _told(details: Sequence[Detail | None], part: str, name: str) -> list[str]:
    found = [getattr(each, part).get(name) for each in details if each is not None]
    return [str(value) for value in found if value not in (None, "")]


def _list(values: Sequence[Any]) -> str:
    told = [str(value) for value in values[:MOST]]
    more = len(values) - MOST
    return ", ".join(told) + (f" and {more:,} more" if more > 0 else "")


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
