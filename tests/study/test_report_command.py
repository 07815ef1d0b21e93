"""`stspec study report`: what is missing is told, gains are right, mistakes are answered."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from stspec.cli.main import main
from stspec.study.failures import Attempt, Failure
from stspec.study.planning import make_plan
from stspec.study.store import Store, create_store
from stspec.study.study import load_study
from tests.study.made_runs import Made


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store in which three of the four runs of a study are finished, and one failed."""
    there = create_store(tmp_path_factory.mktemp("store"))
    plan = make_plan(load_study("quick", ["grid.policy=[tsn, tam]"]))
    (there.root / "plans" / "quick.json").write_text(json.dumps(plan.to_json()), encoding="utf-8")
    Made().planned(there, plan.runs[:3])
    last = plan.runs[3].key
    failed = Failure(last, (Attempt("the <disk> was full", "host", 0.0),), final=True)
    (there.root / "failed" / f"{last}.json").write_text(json.dumps(asdict(failed)))
    return there


def block(page: str, id: str) -> Any:
    """Return what lies packed in a page."""
    match = re.search(rf'<script type="application/octet-stream" id="{id}">([^<]*)<', page)
    assert match is not None
    return json.loads(gzip.decompress(base64.b64decode(match[1])))


def data(page: str) -> Any:
    match = re.search(r'<script type="application/json" id="data">([^<]*)<', page)
    assert match is not None
    return json.loads(match[1])


def test_what_is_missing_and_why_is_told(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "deep" / "page.html"
    arguments = ["study", "report", "quick", "--store", str(store.root), "-o", str(path)]
    assert main(arguments) == 0
    assert "3 of 4 runs" in capsys.readouterr().err
    page = path.read_text(encoding="utf-8")
    assert "3 of 4 finished, 1 failed" in page
    assert "the &lt;disk&gt; was full" in page
    for run in make_plan(load_study("quick", ["grid.policy=[tsn, tam]"])).runs:
        assert run.key in page and run.spec in page and run.recipe in page
    assert main(arguments) == 0
    assert path.read_text(encoding="utf-8") == page


def test_gains_are_differences_of_the_accuracies_in_the_table(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # A study's file stands for its name, and the page bears it where -o says no other.
    assert main(["study", "report", "specs/quick.yaml", "--store", str(store.root)]) == 0
    page = (tmp_path / "quick.html").read_text(encoding="utf-8")
    top1 = {run["name"]: run["top1"] for run in data(page)["runs"]}
    (pooling,) = block(page, "gains-data")["kinds"]
    (row,) = pooling["rows"]
    assert (pooling["id"], row["policy"], row["tp"]) == ("pooling", "tsn", True)
    assert row["value"] == pytest.approx(top1["tsn-tp"] - top1["tsn-none"], abs=1e-6)
    assert row["low"] < row["value"] < row["high"]
    (told,) = block(page, "gains-data")["contributions"]
    own, base = top1["tam-none"], top1["tsn-none"]
    assert told["phi"]["value"] == pytest.approx(base / max(own, base), abs=1e-6)
    assert told["psi"]["value"] == pytest.approx((own - base) / (1 - base), abs=1e-6)


def test_the_page_of_a_paper_has_its_table_8(tmp_path: Path) -> None:
    path = tmp_path / "paper.html"
    assert main(["study", "report", "published:study2021", "-o", str(path)]) == 0
    page = path.read_text(encoding="utf-8")
    told = block(page, "gains-data")["contributions"]
    found = {
        (each["data"], each["policy"], each["tp"]): (each["phi"]["value"], each["psi"]["value"])
        for each in told
    }
    # Of the paper, with the columns of I3D and S3D as the errata have them.
    for data, policy, phi, alone, pooled in (
        ("mini_ssv2", "i3d", 0.53, 0.45, 0.38), ("mini_ssv2", "s3d", 0.53, 0.46, 0.38),
        ("mini_kinetics", "s3d", 0.97, 0.06, -0.10), ("mini_mit", "tam", 0.87, 0.04, 0.04),
    ):  # fmt: skip
        assert round(found[data, policy, False][0], 2) == phi
        assert round(found[data, policy, False][1], 2) == alone
        assert round(found[data, policy, True][1], 2) == pytest.approx(pooled, abs=0.005)
    assert 'Content-Security-Policy" content="default-src' in page
    assert "mini_kinetics" in page and "n = 1 seed" not in page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["quikc"], "did you mean `quick`"),
        (["../plans/quick"], "has no plan of a study"),
        (["quick", "--baseline", "tms"], "no model here has the policy `tms`"),
        (["quick", "--published", "study2012"], "study2021"),
        (["published:vmz2081"], "vmz2018"),
        (["quick", "--store", "nowhere"], "there is no store of runs in nowhere"),
        (["quick", "-o", "."], "cannot write"),
    ],
)
def test_mistakes_are_answered(
    store: Store, tmp_path: Path, arguments: list[str], told: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    more = [] if "--store" in arguments else ["--store", str(store.root)]
    assert main(["study", "report", *arguments, *more]) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.glob("*.html"))
