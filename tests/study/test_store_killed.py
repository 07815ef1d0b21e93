"""Workers that are killed at random and started again end with what an unbroken study ends with."""

from __future__ import annotations

from pathlib import Path
from random import Random

from stspec.study.store import create_store
from tests.study.simulation import Simulation
from tests.study.standin import planned


def test_killed_at_random(tmp_path: Path) -> None:
    """Three workers, two of them as if on other machines, each soon killed; runs fail at first."""
    store = create_store(tmp_path / "store")
    simulation = Simulation(store, runs=288, workers=3, spell=8, fails_once=48)
    simulation.run(Random(6))
    assert simulation.deaths > 10
    assert simulation.check() >= 288 + 6
    runs = planned(288)
    assert [result.name for result in store.results(runs)] == [run.name for run in runs]
