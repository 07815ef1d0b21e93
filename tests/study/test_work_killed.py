"""Real trainings of a study that are killed end with the weights and results of unbroken ones."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from stspec.study.store import Store
from tests.study.small import Death, outcome, planned, study_work

DEATHS: tuple[Death, ...] = (
    ("step", 2, True),  # nothing is saved yet
    ("step", 5, False),  # between two checkpoints
    ("rename", 3, True),
    ("step", 1, True),
)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = planned(tmp_path_factory.mktemp("unbroken"))
    assert study_work(store) == 0
    return store


def test_killed_midway(unbroken: Store, tmp_path: Path) -> None:
    store = planned(tmp_path)
    for death in DEATHS:
        assert study_work(store, death) == -signal.SIGKILL, death
    assert len(store.finished_keys()) < 2
    assert study_work(store) == 0
    found = outcome(store.root)
    assert len(found) == 2 and found == outcome(unbroken.root)
    recipes = {path.read_text().splitlines()[0] for path in store.root.glob("runs/*/recipe.yaml")}
    assert recipes == {"# motions, resolved."}  # by its name, whatever the store calls the file
    told = (store.root / "told").read_text()
    assert "its worker died" in told and "going on" in told
    assert not list((store.root / "leases").iterdir()) and not list((store.root / "work").iterdir())
