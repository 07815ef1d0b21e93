"""What the page can show of each run: its spec, recipe, learning curve, hashes and versions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stspec.study.protocol import json_of, text_of, told_by
from stspec.study.records import Result
from stspec.study.report.words import words_block

LONGEST = 300
"""Epochs of a curve that are shown; of a longer one every second, third..., and the last."""

_EPOCH = b'{"kind": "epoch"'
"""How the line of an epoch begins; see stspec.runs.log."""

Epoch = tuple[float | None, float | None, float | None, float | None]
"""Losses of training and validation, top-1 and top-5 accuracy."""


@dataclass(frozen=True)
class Detail:
    """What the folder of a run tells; what is missing or unreadable there is None or empty."""

    spec: str | None = None
    recipe: str | None = None
    epochs: tuple[Epoch, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def recipe_name(self) -> str:
        """Return what the recipe is called; a study's worker knows it by its digest alone."""
        named = told_by(self.recipe or "").get("recipe")
        return str(named or self.about.get("recipe") or "")

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Return terms and texts: seed, data, programs, machine."""
        machine = self.environment
        found = [
            ("recipe", self.recipe_name),
            ("seed", self.about.get("seed")),
            ("videos", _videos(self.data)),
            ("digests of the data", _digests(self.data)),
            ("stspec", machine.get("stspec")),
            ("torch", machine.get("torch")),
            ("python", machine.get("python")),
            ("device", machine.get("device")),
            ("processes", machine.get("world")),
            ("platform", machine.get("platform")),
        ]
        return [(term, str(value)) for term, value in found if value not in (None, "")]


def read_detail(result: Result) -> Detail | None:
    """Return what is told by a run's folder, or None where there is none."""
    folder = result.folder
    if folder is None or not folder.is_dir():
        return None
    return Detail(
        text_of(folder / "spec.yaml"),
        text_of(folder / "recipe.yaml"),
        tuple(_thinned(_epochs(folder / "log.jsonl"))),
        json_of(folder / "run.json"),
        json_of(folder / "data.json"),
        json_of(folder / "environment.json"),
    )


def details_block(details: Sequence[Detail | None]) -> dict[str, Any]:
    """Return the details for the page; texts that runs share stand there once.

    What their models and recipes say in the field's words stands beside them.
    """
    texts: dict[str, int] = {}

    def number(text: str | None) -> int | None:
        return None if text is None else texts.setdefault(text, len(texts))

    runs = [
        detail
        and {
            "spec": number(detail.spec),
            "recipe": number(detail.recipe),
            "epochs": [list(epoch) for epoch in detail.epochs],
            "facts": detail.facts,
        }
        for detail in details
    ]
    words = words_block(
        [None if detail is None else detail.spec for detail in details],
        [None if detail is None else detail.recipe for detail in details],
    )
    return {"texts": list(texts), "runs": runs, "words": words}


def _thinned(epochs: list[Epoch]) -> Iterable[Epoch]:
    step = -(-len(epochs) // LONGEST)
    for number, epoch in enumerate(epochs, 1):
        if number % step == 0 or number == len(epochs):
            yield epoch


def _epochs(log: Path) -> list[Epoch]:
    # Most lines tell of steps: they are millions in a store, and passed by unread.
    try:
        data = log.read_bytes()
    except OSError:
        return []
    found = []
    at = data.find(_EPOCH)
    while at >= 0:
        end = data.find(b"\n", at)
        if end < 0:
            break  # cut off while it was written
        epoch = _epoch(data[at:end])
        found += [epoch] if epoch is not None else []
        at = data.find(_EPOCH, end)
    return found


def _epoch(line: bytes) -> Epoch | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    tested = record.get("val")
    tested = tested if isinstance(tested, dict) else {}
    return (
        _figure(record.get("train_loss")),
        _figure(tested.get("loss")),
        _figure(tested.get("top1")),
        _figure(tested.get("top5")),
    )


def _figure(value: object) -> float | None:
    """Return a number with four digits behind the point; those that JSON lacks are None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return round(float(value), 4) if abs(value) < 1e9 else None


def _videos(data: dict[str, Any]) -> str:
    counts = [
        f"{part['count']:,} {title}"
        for name, title in (("train", "to train"), ("val", "to validate"))
        if isinstance(part := data.get(name), dict) and isinstance(part.get("count"), int)
    ]
    return ", ".join(counts)


def _digests(data: dict[str, Any]) -> str:
    found = [
        str(part["digest"])[:16]
        for name in ("train", "val")
        if isinstance(part := data.get(name), dict) and "digest" in part
    ]
    return ", ".join(found)
