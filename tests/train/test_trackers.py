"""Trackers: each is told every step, and none that fails, hangs or leaves stops a run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from stspec.diagnostics import SpecError
from stspec.runs.log import read_log
from stspec.train import trackers as adapters
from stspec.train.trackers import TRACKERS, Trackers, check_trackers
from tests.train.tiny import tiny_train


@dataclass
class _Told:
    """Stands in for a tracker's module: takes note of what it is called with."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*arguments: Any, **named: Any) -> None:
            found = arguments[0] if arguments and isinstance(arguments[0], dict) else {}
            self.calls.append((name, {**found, **named}))

        return call


@pytest.mark.parametrize(
    "name, first, takes, last",
    [
        ("wandb", "init", "log", "finish"),
        ("trackio", "init", "log", "finish"),
        ("mlflow", "set_experiment", "log_metrics", "end_run"),
    ],
)
def test_trackers_are_told_every_step(
    name: str, first: str, takes: str, last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = _Told()
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(TRACKERS, name, ("torch", TRACKERS[name][1]))  # as if it were installed
    run = tiny_train(tmp_path / "run", {"epochs": 2}, track=[name])
    assert module.calls[0][0] == first and module.calls[-1][0] == last
    told = [values for call, values in module.calls if call == takes]
    steps = [row for row in read_log(run.folder / "log.jsonl") if row["kind"] == "step"]
    losses = {row["step"]: row["loss"] for row in steps}
    assert {v["step"]: v["train/loss"] for v in told if "train/loss" in v} == losses
    assert [v["step"] for v in told if "val/top1" in v] == [3, 6]


class _Broken:
    def __init__(self, *arguments: object) -> None:
        self.logged = 0

    def log(self, values: object, step: int) -> None:
        self.logged += 1
        assert self.logged == 1, "it is left alone"
        raise OSError("no network")

    def close(self) -> None:
        raise AssertionError("it was left out before")


class _Leaves(_Broken):
    def __init__(self, *arguments: object) -> None:
        sys.exit("no network")


class _Hangs(_Broken):
    def log(self, values: object, step: int) -> None:
        Event().wait()


@pytest.mark.parametrize(
    "kind, reason",
    [(_Broken, "OSError: no network"), (_Leaves, "no network"), (_Hangs, "not answered")],
)
def test_a_tracker_that_fails_is_left_out(
    kind: type[_Broken], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRACKERS, "broken", ("torch", kind))
    monkeypatch.setattr(adapters, "PATIENCE", 0.2)
    check_trackers(["broken"])
    told: list[str] = []
    trackers = Trackers(["broken"], tmp_path, {}, told.append)
    for step in range(3):
        trackers.log({"loss": 1.0}, step)
    trackers.close()
    assert len(told) == 1 and reason in told[0]
    run = tiny_train(tmp_path / "run", {"epochs": 1}, track=["broken"])
    assert run.weights().is_file()


def test_a_tracker_that_falls_behind_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRACKERS, "slow", ("torch", _Hangs))
    monkeypatch.setattr(adapters, "BEHIND", 5)
    told: list[str] = []
    trackers = Trackers(["slow"], tmp_path, {}, told.append)
    for step in range(10):
        trackers.log({"loss": 1.0}, step)
    trackers.close()
    assert len(told) == 1 and "5 steps behind" in told[0]


def test_a_tracker_of_another_name() -> None:
    with pytest.raises(SpecError, match="there is no tracker `wandbb`"):
        check_trackers(["wandbb"])
