"""A run that is killed goes on as if it had not been: bit for bit."""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.train.killing import PLACES, result, run_tiny

CHANGES: dict[str, Any] = {"epochs": 3, "ema": 0.9, "mixup": 0.2, "norm.precise": 2}
"""Three epochs of three steps, with all that has a state of its own."""

STAGES: dict[str, Any] = {
    "stages": [
        {"frames": 4, "epochs": 1},
        {"frames": 8, "epochs": 2, "schedule": {"kind": "plateau", "patience": 0}},
    ]
}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("unbroken")
    found = {}
    for name, changes in (("plain", CHANGES), ("stages", STAGES)):
        assert run_tiny(folder / name, changes=changes, save_steps=2) == 0
        found[name] = result(folder / name)
    return found


@pytest.mark.parametrize("place", PLACES)
def test_killed_anywhere(place: str, tmp_path: Path, unbroken: dict[str, Any]) -> None:
    """At several calls of what writes or computes, in front of it and behind it."""
    rng = Random(place)
    for count in sorted(rng.sample(range(1, 10), 3)):
        run, after = tmp_path / str(count), rng.random() < 0.5
        assert run_tiny(run, (place, count, after), changes=CHANGES, save_steps=2) == -9
        assert run_tiny(run, changes=CHANGES, save_steps=2) == 0
        assert result(run) == unbroken["plain"], (place, count, after)


def test_killed_again_and_again(tmp_path: Path, unbroken: dict[str, Any]) -> None:
    """Every process dies after a few steps, later ones in their saves."""
    run = tmp_path / "run"
    deaths = 0
    for number in range(40):
        place, count = (("step", 3), ("rename", 3), ("log", 4))[number % 3]
        code = run_tiny(run, (place, count, True), changes=CHANGES, save_steps=1)
        if code == 0:
            break
        assert code == -9
        deaths += 1
    assert deaths >= 3
    assert result(run) == unbroken["plain"]


@pytest.mark.parametrize(
    ("count", "after"), [(count, after) for count in (1, 3, 4, 5, 7) for after in (False, True)]
)
def test_stages_and_their_boundary(
    count: int, after: bool, tmp_path: Path, unbroken: dict[str, Any]
) -> None:
    """The first stage has three steps: the fourth is the second stage's first."""
    run = tmp_path / "run"
    assert run_tiny(run, ("step", count, after), changes=STAGES, save_steps=2) == -9
    assert run_tiny(run, changes=STAGES, save_steps=2) == 0
    assert result(run) == unbroken["stages"]


def test_when_it_saves_does_not_matter(tmp_path: Path, unbroken: dict[str, Any]) -> None:
    assert run_tiny(tmp_path / "run", changes=CHANGES) == 0
    assert result(tmp_path / "run") == unbroken["plain"]


def test_other_seeds_give_other_runs(tmp_path: Path, unbroken: dict[str, Any]) -> None:
    """So that equality above means something."""
    assert run_tiny(tmp_path / "run", changes=CHANGES, seed=1) == 0
    found = result(tmp_path / "run")
    assert found["weights"] != unbroken["plain"]["weights"]
    assert found["log"] != unbroken["plain"]["log"]


def test_a_run_that_is_complete_stays_as_it_is(tmp_path: Path, unbroken: dict[str, Any]) -> None:
    run = tmp_path / "run"
    for _ in range(2):
        assert run_tiny(run, changes=CHANGES, save_steps=2) == 0
    assert result(run) == unbroken["plain"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signals_save_and_leave_with_a_status_of_their_own(
    number: signal.Signals, tmp_path: Path, unbroken: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    options: dict[str, Any] = {"changes": CHANGES, "save_steps": 100}
    assert run_tiny(run, ("step", 5, True), signal_number=number, **options) == 75
    steps = [path.stem for path in (run / "checkpoints").glob("*.json")]
    assert "step-00000005" in steps or "step-00000006" in steps
    assert run_tiny(run, **options) == 0
    assert result(run) == unbroken["plain"]
