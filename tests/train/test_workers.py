"""Runs on real video files are the same whoever reads them, killed or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from stspec.data.loader import train_loader
from stspec.data.motions import make_motions
from stspec.network import load
from stspec.train import load_recipe, videos
from stspec.train.distributed import World
from tests.train.killing import result, run_tiny
from tests.train.tiny import spec, video_feed

CHANGES: dict[str, Any] = {
    "epochs": 2, "batch": 8, "norm.precise": 1, "data.crop": "random", "data.short_side": [24, 32],
}  # fmt: skip
READERS = {
    "in this process": {"workers": 0, "persistent": False},
    "two that go": {"workers": 2, "persistent": False},
    "two that stay": {"workers": 2, "persistent": True},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("motions")
    make_motions(folder, train=20, val=12, frames=6, size=32, seed=0, workers=0)
    return folder


@pytest.fixture(scope="module")
def unbroken(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    run = tmp_path_factory.mktemp("unbroken") / "run"
    assert run_tiny(run, **options(data, "in this process")) == 0
    return result(run)


def options(data: Path, readers: str) -> dict[str, Any]:
    spec = {"classes": 12}
    videos = {"data": data, **READERS[readers]}
    return {"changes": {**CHANGES, "spec": spec}, "videos": videos, "save_steps": 1}


@pytest.mark.parametrize("readers", READERS)
def test_killed_while_others_read(
    readers: str, data: Path, tmp_path: Path, unbroken: dict[str, Any]
) -> None:
    """Amid the first epoch of two steps, then at the first step of the second."""
    run = tmp_path / "run"
    assert run_tiny(run, ("step", 2, True), **options(data, readers)) == -9
    assert run_tiny(run, ("step", 2, False), **options(data, readers)) == -9
    assert run_tiny(run, **options(data, readers)) == 0
    assert result(run) == unbroken


def test_readers_may_change_on_the_way(
    data: Path, tmp_path: Path, unbroken: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    assert run_tiny(run, ("step", 3, True), **options(data, "two that stay")) == -9
    assert run_tiny(run, **options(data, "in this process")) == 0
    assert result(run) == unbroken


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_clips_lie_where_a_gpu_fetches_them(
    device: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No GPU is needed to ask for it; without one torch would only warn."""
    asked = []

    def loader(*given: Any, pin_memory: bool, **named: Any) -> Any:
        asked.append(pin_memory)
        return train_loader(*given, **named)

    monkeypatch.setattr(videos, "train_loader", loader)
    recipe = load_recipe("motions", [("batch", 8), ("data.short_side", 32)])
    feed = video_feed(data, recipe, 0, False)
    world = World(device=torch.device(device))
    batch = next(feed.train(load(spec(classes=12)), 8, 0, 0, world))
    assert batch["clips"].shape == (8, 3, 4, 16, 16)
    assert asked == [device == "cuda"]
