"""`stspec demo`, on few clips and for one epoch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from stspec.cli.main import main
from stspec.data import motions
from stspec.runs.directory import Run
from stspec.train import run
from stspec.train.recipe import Recipe, load_recipe

FEW: dict[str, Any] = {"train": 48, "val": 24, "frames": 8, "workers": 1}


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were trained, by name; few clips are made, and epochs are one."""
    names: list[str] = []
    train = run.train

    def once(target: Any, *arguments: Any, recipe: Recipe, **options: Any) -> Run:
        names.append(target)
        assert recipe.epochs > 1
        short = load_recipe("motions", ["epochs=1", "batch=16", "schedule.warmup=0"])
        return train(target, *arguments, recipe=short, **options)

    monkeypatch.setattr(motions, "make_motions", partial(motions.make_motions, **FEW))
    monkeypatch.setattr(run, "train", once)
    return names


def test_it_compares_two_models_and_makes_nothing_twice(
    tmp_path: Path, trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo"
    assert main(["demo", str(folder), "--workers", "0"]) == 0
    first = capsys.readouterr().out
    assert trained == ["tsn_motions", "tam_motions"]
    rows = {line.split()[0]: line for line in first.splitlines() if line[:4] in ("TSN ", "TAM ")}
    assert rows.keys() == {"TSN", "TAM"}
    assert all(row.count("%") == 3 for row in rows.values())
    assert max(map(len, first.partition("model  ")[2].splitlines())) <= 80

    assert main(["demo", str(folder), "--workers", "0"]) == 0
    assert trained == ["tsn_motions", "tam_motions"]
    again = capsys.readouterr().out
    assert again.count("is complete") == 2
    assert [rows[name] in again for name in rows] == [True, True]
