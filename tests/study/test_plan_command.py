"""`stspec study plan` as it is read: at 80 columns, by runs, in groups, as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stspec.cli.main import main

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *arguments: object) -> tuple[int, str]:
    status = main(["study", "plan", *map(str, arguments)])
    return status, capsys.readouterr().out


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


def test_few_runs_are_told_one_by_one(capsys: Capture, tmp_path: Path) -> None:
    status, text = run(capsys, "quick", "--store", tmp_path / "store")
    assert status == 0
    rows = [line.split() for line in text.splitlines() if line.startswith(("tsn-", "tsm-", "tam-"))]
    assert [row[0] for row in rows] == [
        "tsn-none", "tsn-tp", "tsm-none", "tsm-tp", "tam-none", "tam-tp",
    ]  # fmt: skip
    assert all(row[-1] == "scratch" for row in rows)
    assert "temporal op: none becomes TAM" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_many_runs_are_told_in_groups(capsys: Capture, tmp_path: Path) -> None:
    many = "grid.seed=[" + ", ".join(map(str, range(400))) + "]"
    status, text = run(capsys, "quick", "--set", many)
    assert status == 0 and max(map(len, text.splitlines())) <= 80
    rows = [line.split() for line in text.splitlines()]
    total = next(row for row in rows if row[:1] == ["all"])
    groups = [row for row in rows if row[:1] in (["tsn"], ["tsm"], ["tam"]) and len(row) > 5]
    assert int(total[1]) == sum(int(row[2]) for row in groups) == 400 * len(groups)
    assert len(text.splitlines()) < 60


def test_what_a_store_has_is_counted(capsys: Capture, tmp_path: Path) -> None:
    found = json.loads(run(capsys, "quick", "--json")[1])
    first = found["runs"][0]
    assert found["finished"] == [] and set(found["specs"]) >= {first["spec"]}
    (tmp_path / "studies" / "runs" / first["key"]).mkdir(parents=True)
    text = run(capsys, "quick")[1]
    assert f"1 of {len(found['runs'])} are finished in studies" in text
    row = next(line for line in text.splitlines() if line.startswith(first["name"] + " "))
    assert row.endswith("finished")
    assert json.loads(run(capsys, "quick", "--json")[1])["finished"] == [first["key"]]


def test_a_mistake_ends_with_status_2(capsys: Capture) -> None:
    assert run(capsys, "quik") == (2, "")
