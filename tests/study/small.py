"""A study of real trainings that takes seconds: two runs, the second from the first's weights."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

from stspec.cli.main import main
from stspec.study.store import Store, create_store, open_store
from tests.forking import start
from tests.train.killing import PLACES, arm
from tests.train.tiny import spec

NAME = "small"
Death = tuple[str, int, bool]
"""A place of ``PLACES``, the number of the call, and whether after it or before."""


def written(folder: Path) -> Path:
    """Write the study and its model; return the study's file."""
    model = {key: value for key, value in spec().items() if key not in ("name", "classes")}
    (folder / "two.yaml").write_text(yaml.safe_dump(model, sort_keys=False))
    keys = {
        "stspec": 1, "base": "two.yaml", "recipe": "motions",
        "data": {"motions": {"motions": {"train": 24, "val": 12, "frames": 6, "size": 16}}},
        "set": {"recipe.batch": 8, "recipe.epochs": 3},
        "grid": {"clip.frames": [2, 4]}, "after": {"clip.frames": "previous"},
    }  # fmt: skip
    path = folder / f"{NAME}.yaml"
    path.write_text(yaml.safe_dump(keys, sort_keys=False))
    return path


def planned(folder: Path) -> Store:
    """Return a store that has the plan."""
    from stspec.study.freezing import freeze
    from stspec.study.planning import make_plan
    from stspec.study.study import load_study

    store = create_store(folder / "store")
    freeze(make_plan(load_study(written(folder))), store.root)
    return store


def study_work(store: Store, death: Death | None = None) -> int:
    """Let a process of its own be a worker, which may kill itself; return its exit status."""
    process = start(_work, store.root, death)
    process.join(120)
    assert process.exitcode is not None, "the worker hangs"
    return process.exitcode


def _work(root: Path, death: Death | None) -> None:
    torch.set_num_threads(1)
    if death is not None:
        import signal

        arm(*PLACES[death[0]], *death[1:], signal.SIGKILL)
    with (root / "told").open("a") as told, contextlib.redirect_stderr(told):
        status = main(["study", "work", str(root), "--study", NAME, "--readers=0", "--beat=0.1"])
    sys.exit(status)


def outcome(root: Path) -> dict[str, Any]:
    """All that must be equal, bit for bit, of finished runs."""
    store = open_store(root)
    found: dict[str, Any] = {}
    for key in store.finished_keys():
        store.verify(key)
        result = store.result(key)
        shares = result.top1, result.top5, result.mean_class
        files = {
            name: (store.folder(key) / name).read_bytes()
            for name in ("weights.safetensors", "predictions.npz", "log.jsonl", "metrics.json")
        }
        found[key] = result.name, shares, files
    return found
