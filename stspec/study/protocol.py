"""How a run was trained and on what, as its folder tells. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from stspec.diagnostics import SpecError
from stspec.source import Plain, read_text, to_plain
from stspec.study.records import Result

TOLD = ("epochs", "batch", "optimizer", "schedule", "sync_bn", "test", "recipe")
"""What a protocol is told by."""


def protocol_of(result: Result) -> Mapping[str, Plain]:
    """Return the protocol of a run, by `TOLD`; of a published one as far as it is printed."""
    known = {name: result.extra[name] for name in TOLD if name in result.extra}
    if result.folder is None:
        return known
    return {**told_by(text_of(result.folder / "recipe.yaml") or ""), **known}


def data_of(result: Result) -> Mapping[str, Plain]:
    """Return how many classes, videos to train on and videos to validate on a run had."""
    names = ("classes", "train_videos", "videos")
    known = {name: result.extra[name] for name in names if name in result.extra}
    if result.folder is None:
        return known
    found = json_of(result.folder / "data.json")
    classes = found.get("classes")
    told: dict[str, Plain] = {
        "classes": len(classes) if isinstance(classes, list) else None,
        "train_videos": _count(found, "train"),
        "videos": _count(found, "val"),
    }
    return {**{name: value for name, value in told.items() if value is not None}, **known}


@lru_cache(maxsize=512)
def told_by(recipe: str) -> Mapping[str, Plain]:
    """Return what a resolved recipe says, in a few words; nothing of a damaged one."""
    try:
        found = to_plain(read_text(recipe, "<recipe>"))
    except SpecError:
        return {}
    if not isinstance(found, dict):
        return {}
    parts = {name: _part(found, name) for name in ("optimizer", "schedule", "norm", "test")}
    title = recipe.splitlines()[0].removeprefix("# ").removesuffix(", resolved.")
    told: dict[str, Any] = {
        "epochs": found.get("epochs"),
        "batch": found.get("batch"),
        "optimizer": _optimizer(parts["optimizer"]),
        "schedule": _schedule(parts["schedule"]),
        "sync_bn": parts["norm"].get("mode") == "sync" if parts["norm"] else None,
        "test": _test(parts["test"]),
        "recipe": title if recipe.startswith("# ") else None,
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def _part(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = found.get(name)
    return part if isinstance(part, dict) else {}


def _optimizer(part: Mapping[str, Any]) -> str:
    names = {"lr": "lr", "momentum": "momentum", "weight_decay": "weight decay"}
    if part.get("kind") != "sgd":
        names.pop("momentum")
    told = [f"{title} {part[name]}" for name, title in names.items() if name in part]
    return ", ".join([str(part["kind"]), *told]) if "kind" in part else ", ".join(told)


def _schedule(part: Mapping[str, Any]) -> str:
    told = [str(part.get("kind", ""))]
    if part.get("kind") == "multi_step":
        told[0] += f" at {', '.join(map(str, part.get('milestones') or ()))}"
    if part.get("warmup"):
        told.append(f"warm-up {part['warmup']} epochs")
    return ", ".join(told)


def _test(part: Mapping[str, Any]) -> str:
    if "clips" not in part:
        return ""
    return f"{part['clips']} x {part.get('crops', 1)} {part.get('sampling', '')}".rstrip()


def _count(found: Mapping[str, Any], name: str) -> int | None:
    count = _part(found, name).get("count")
    return count if isinstance(count, int) else None


def text_of(path: Path) -> str | None:
    """Return the text of a file, or None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def json_of(path: Path) -> dict[str, Any]:
    """Return the values of a file; none where it is missing or damaged."""
    try:
        found = json.loads(text_of(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
