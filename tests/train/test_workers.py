"""Runs on real video files are the same whoever reads them, killed or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stspec.data.motions import make_motions
from tests.train.killing import result, run_tiny

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
