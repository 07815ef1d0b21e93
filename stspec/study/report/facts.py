"""What was compared and how, in words: models, protocol, data, versions, and what to mind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from stspec.source import Plain
from stspec.study.protocol import told_by
from stspec.study.records import PlannedRun, Result
from stspec.study.report.details import Detail
from stspec.study.report.rows import DASH, ordered, pooling
from stspec.study.standing import STATES, Row, State

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
    open: bool = False
    """Whether it is shown without being asked for."""


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
    return f"{about[:1].upper()}{about[1:].rstrip('.')}. {told}" if about else told


def facts(
    results: Sequence[Result], details: Sequence[Detail | None], plan: Sequence[Row]
) -> list[Fact]:
    """Return what the models differ in, and what they share."""
    facets = [each.facets for each in results]
    every: list[tuple[str, Iterable[Any]]] = [
        ("Runs", [standing(plan)] if plan else []),
        ("Data", (each.data for each in facets)),
        ("Policies", (each.policy for each in facets)),
        ("Backbones", (each.backbone for each in facets)),
        ("Time", (pooling(each) for each in facets)),
        ("Frames", (each.frames for each in facets)),
        ("Sampling", (each.sampling for each in facets)),
        ("Heads", (each.head for each in facets if each.head)),
        ("Recipes", [_recipe_text(each) for each in details if each is not None]),
        ("Seeds", (each.seed for each in results if each.seed is not None)),
        ("stspec", _told(details, "environment", "stspec")),
        ("torch", _told(details, "environment", "torch")),
        ("Devices", _told(details, "environment", "device")),
    ]
    named = [
        Fact(term, _list(ordered(values), "; " if term == "Recipes" else ", "))
        for term, values in every
    ]
    return [fact for fact in named if fact.text]


def standing(plan: Sequence[Row]) -> str:
    """Return how many runs of a plan are in which state."""
    found = Counter(each.state for each in plan)
    others = [f"{found[state]:,} {_STATES[state]}" for state in STATES[1:] if found[state]]
    return ", ".join([f"{found['finished']:,} of {len(plan):,} finished", *others])


_STATES: dict[State, str] = {
    "finished": "finished", "running": "under way", "ready": "to do",
    "waiting": "waiting for the run that they start from", "failed": "failed",
    "blocked": "held up by a run that failed",
}  # fmt: skip


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


def protocol(
    results: Sequence[Result], details: Sequence[Detail | None], plan: Sequence[Row]
) -> list[Group]:
    """Return what is missing, and recipes, data, machines and keys in full."""
    known = [each for each in details if each is not None]
    keys = _plan_keys(plan) if plan else _keys(results)
    return [_missing(plan), _recipes(known), _data(known), _machines(known), keys]


def _missing(plan: Sequence[Row]) -> Group:
    names = {each.run.key: each.run.name for each in plan}
    rows = tuple(
        (each.run.name, _STATES[each.state], _why(each, names))
        for each in plan
        if each.state != "finished"
    )
    few = 0 < len(rows) <= MOST
    columns = ("Run", "state", "why")
    return Group("Runs without a result", "What was planned and is not here.", columns, rows, few)


def _why(row: Row, names: Mapping[str, str]) -> str:
    if row.behind is not None:
        return f"{names.get(row.behind, row.behind)} failed"
    if row.failure is not None:
        return row.failure.reason
    if row.state == "waiting" and row.run.after is not None:
        return f"starts from {names.get(row.run.after, row.run.after)}"
    return DASH


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
    return f"Seeds: {told}. Intervals are over videos and over these seeds."


def _but_seed(result: Result) -> tuple[Any, ...]:
    settings = tuple(
        (path, str(value)) for path, value in result.settings.items() if path != "seed"
    )
    return (result.facets, settings)


def _recipes(details: Sequence[Detail]) -> Group:
    found = Counter((each.recipe_name or DASH, each.recipe or "") for each in details)
    rows = tuple(
        (name, *_protocol_texts(told_by(text)), f"{count:,}", _digest(text))
        for (name, text), count in found.items()
    )
    columns = ("Recipe", "epochs", "batch", "optimizer", "schedule", "batch norm", "views tested",
               "runs", "SHA-256, first 16")  # fmt: skip
    return Group("Recipes", "The recipes in full stand with each model below.", columns, rows)


def _recipe_text(detail: Detail) -> str:
    told = told_by(detail.recipe or "")
    if "epochs" not in told:
        return detail.recipe_name
    parts = [f"{told['epochs']} epochs", *(f"batch {told[n]}" for n in ("batch",) if n in told)]
    return ", ".join([*parts, *(str(told[n]) for n in ("optimizer", "schedule") if n in told)])


def _protocol_texts(told: Mapping[str, Plain]) -> list[str]:
    norm = {True: "synchronised", False: "of each process"}
    every = [told.get(name) for name in ("epochs", "batch", "optimizer", "schedule")]
    every += [norm.get(bool(told["sync_bn"])) if "sync_bn" in told else None, told.get("test")]
    return [DASH if each is None else str(each) for each in every]


def _data(details: Sequence[Detail]) -> Group:
    found = Counter(
        (
            _place(each),
            _part(each, "train"),
            _part(each, "val"),
        )
        for each in details
    )
    rows = tuple((*key, f"{count:,}") for key, count in found.items())
    columns = ("Data", "to train: clips, digest", "to validate: clips, digest", "runs")
    return Group("Data", "Digests are of samples, labels and classes.", columns, rows)


def _place(detail: Detail) -> str:
    """Return the name of the folder or list; where it lies is nobody's business."""
    data = detail.about.get("data")
    return PurePath(str(data.get("path", DASH))).name if isinstance(data, dict) else DASH


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


def _keys(results: Sequence[Result]) -> Group:
    rows = tuple((each.name, each.key) for each in results if each.source == "yours")
    return Group("Keys of the runs", _ABOUT_KEYS, ("Run", "key"), rows)


def _plan_keys(plan: Sequence[Row]) -> Group:
    names = {each.run.key: each.run.name for each in plan}
    rows = tuple(
        (
            each.run.name, each.run.key, each.run.spec, each.run.recipe, each.run.data,
            str(each.run.seed), names.get(each.run.after or "") or _weights(each.run),
        )
        for each in plan
    )  # fmt: skip
    columns = ("Run", "key", "spec", "recipe", "data", "seed", "starts from")
    return Group("The plan, with the keys of its runs", _ABOUT_KEYS, columns, rows)


_ABOUT_KEYS = "A run's key is of its math, first weights, recipe, data and seed."


def _weights(run: PlannedRun) -> str:
    return PurePath(run.weights).name if run.weights else "scratch"


def _digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else DASH


def _told(details: Sequence[Detail | None], part: str, name: str) -> list[str]:
    found = [getattr(each, part).get(name) for each in details if each is not None]
    return [str(value) for value in found if value not in (None, "")]


def _list(values: Sequence[Any], between: str = ", ") -> str:
    told = [str(value) for value in values[:MOST] if value != ""]
    more = len(values) - MOST
    return between.join(told) + (f" and {more:,} more" if more > 0 else "")


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
