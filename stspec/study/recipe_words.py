"""How models are trained in the field's words, so that recipes can be told apart. No torch."""

from __future__ import annotations

from collections.abc import Mapping

from stspec.source.nodes import Plain

TITLES = {
    "batch": "batch",
    "accumulate": "parts of a batch",
    "epochs": "epochs",
    "optimizer.kind": "optimizer",
    "optimizer.lr": "learning rate",
    "optimizer.momentum": "momentum",
    "optimizer.weight_decay": "weight decay",
    "optimizer.nesterov": "Nesterov's momentum",
    "optimizer.groups": "rates by kind of parameter",
    "optimizer.betas": "betas of AdamW",
    "schedule.kind": "learning rate falls",
    "schedule.milestones": "at epochs",
    "schedule.gamma": "by a factor of",
    "schedule.warmup": "epochs of warm-up",
    "schedule.warmup_lr": "warm-up from",
    "schedule.base_batch": "learning rate is meant for a batch of",
    "data.sampling": "frames in training",
    "data.stride": "frames between frames",
    "data.short_side": "short side in training",
    "data.resize": "frames resized to",
    "data.crop": "crops in training",
    "data.scales": "scales of crops",
    "data.size": "side of a clip",
    "data.flip": "mirrored clips",
    "test.clips": "clips tested of a video",
    "test.crops": "crops tested of a clip",
    "test.sampling": "frames in testing",
    "test.size": "side of a crop in testing",
    "test.fuse": "fused over views",
    "norm.mode": "batch norms",
    "norm.precise": "batches for exact batch norms",
    "checkpoint_stages": "stages computed again in the backward pass",
    "ema": "decay of averaged weights",
    "stages": "stages of training",
}
"""What keys of a recipe are called, in the order in which they are told."""
_VALUES = {
    ("norm.mode", "train"): "of each process",
    ("norm.mode", "sync"): "synchronised",
    ("schedule.kind", "multi_step"): "by steps",
    ("schedule.kind", "cosine"): "as a cosine",
    ("schedule.kind", "plateau"): "when validation stands still",
    ("schedule.kind", "constant"): "never",
}
_ASIDE = ("stspec", "name", "about", "paper")


def recipe_words(recipe: Mapping[str, Plain]) -> dict[str, str]:
    """Return what a resolved recipe says, by what it is about; words for people aside.

    >>> recipe_words({"name": "mine", "epochs": 35, "schedule": {"milestones": [10, 20]}})
    {'epochs': '35', 'at epochs': '10, 20'}
    """
    found: dict[str, Plain] = {}

    def visit(path: str, value: Plain) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                visit(f"{path}.{key}" if path else str(key), inner)
        elif value is not None:
            found[path] = value

    visit("", {key: value for key, value in recipe.items() if key not in _ASIDE})
    place = {path: number for number, path in enumerate(TITLES)}
    ordered = sorted(found, key=lambda path: place.get(path, len(place)))
    return {_title(path): _text(path, found[path]) for path in ordered}


def _title(path: str) -> str:
    return TITLES.get(path) or path.replace(".", " ").replace("_", " ")


def _text(path: str, value: Plain) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(path, each) for each in value) or "none"
    if isinstance(value, dict):
        return " ".join(f"{key} {_text('', inner)}" for key, inner in value.items())
    if isinstance(value, str):
        return _VALUES.get((path, value)) or value.replace("_", " ")
    return str(value)
