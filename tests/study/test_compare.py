"""`stspec study compare` and `export` on runs, files, stores and what is published."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from stspec.cli.main import main
from stspec.diagnostics import SpecError
from stspec.network import load, spec_text
from stspec.runs.directory import RunFolder
from stspec.study.compare import versus
from stspec.study.records import Result
from stspec.train.recipe import load_recipe
from tests.study.made import TAM, TSN, result, store_of

CLASSES = ("sit", "turn left, slowly", "<b>spin</b>", "roll " * 30)
LABELS = [n % 4 for n in range(120)]
SPEC = "stspec: 1\nbackbone: resnet18\nclip: {{frames: 4, size: 32}}\npolicy: {}\nclasses: 4\n"


def right(share: float, seed: int) -> list[bool]:
    draws = np.random.default_rng(seed).random(len(LABELS))
    return [bool(draw < share) for draw in draws]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Two seeds of TSN and TAM on two backbones; the first of each are runs with specs."""
    folder = tmp_path_factory.mktemp("made")
    told: list[Result] = []
    for backbone in ("resnet18", "resnet50"):
        for facets, share in ((TSN, 0.4), (TAM, 0.7)):
            for seed in (0, 1):
                cell = replace(facets, backbone=backbone)
                number = len(told)
                made = result(folder, cell, right(share, number), LABELS, CLASSES, seed=seed)
                told.append(made)
    for each in (told[0], told[2]):
        assert each.folder is not None
        spec = folder / f"{each.facets.policy}.yaml"
        spec.write_text(SPEC.format(each.facets.policy))
        run = RunFolder(each.folder)
        run.lock()
        run.create(
            {"spec.yaml": spec_text(load(str(spec))), "recipe.yaml": load_recipe().text()},
            {"data.json": {"classes": list(CLASSES)}},
            {"name": each.facets.policy},
        )
        run.unlock()
    return told


@pytest.fixture(scope="module")
def store(own: list[Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_of(tmp_path_factory.mktemp("store") / "studies", own).root


def test_two_runs_by_their_folders(own: list[Result], capsys: pytest.CaptureFixture[str]) -> None:
    a, b = own[0], own[2]
    assert main(["study", "compare", str(a.folder), str(b.folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (figures,) = told["data"].values()
    assert figures["top1"] == [pytest.approx(a.top1), pytest.approx(b.top1)]
    assert figures["difference"]["estimate"] == pytest.approx((b.top1 or 0) - (a.top1 or 0))
    x, y = np.array(right(0.4, 0)), np.array(right(0.7, 2))
    only_a, only_b = int((x & ~y).sum()), int((y & ~x).sum())
    test = told["pairs"][0]["mcnemar"]
    assert (test["only_a"], test["only_b"]) == (only_a, only_b)
    assert test["exact"] == pytest.approx(stats.binomtest(only_b, only_a + only_b).pvalue)
    assert sum(each["videos"] for each in figures["classes"]) == len(LABELS)
    labels = np.array(LABELS)
    for each in figures["classes"]:
        mine = labels == CLASSES.index(each["name"])
        assert each["change"] == pytest.approx(y[mine].mean() - x[mine].mean())
    facets = {each["key"]: each for each in told["diff"]["policy"]}
    assert not facets["temporal"]["same"] and facets["backbone"]["same"]
    assert told["params"][1] > told["params"][0]


def test_the_terminal_has_it_in_80_columns(
    own: list[Result], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "compare", str(own[0].folder), str(own[2].folder)]) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines()), out
    for words in (
        "top-1",
        "95% interval",
        "n = 1 seed",
        "McNemar",
        "exact",
        "gains",
        "temporal op",
    ):
        assert words in out
    assert "120 videos" in out and "params" in out


def test_choices_over_a_store_pair_what_is_otherwise_equal(
    store: Path, own: list[Result], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["study", "compare", "policy=tsn", "policy=tam", "--store", str(store)]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    pairs = told["pairs"]
    assert [(p["a"]["backbone"], p["b"]["backbone"]) for p in pairs] == [
        ("resnet18", "resnet18"), ("resnet50", "resnet50"),
    ]  # fmt: skip
    figures = told["data"]["toy"]
    means = [np.mean([r.top1 for r in own if r.facets.policy == p]) for p in ("tsn", "tam")]
    assert figures["top1"] == pytest.approx(means)
    assert figures["difference"]["seeds"] == 2
    assert figures["difference"]["low"] < means[1] - means[0] < figures["difference"]["high"]
    # Holm: the smaller p-value doubles.
    smaller = min(pairs, key=lambda pair: pair["p"])
    assert smaller["adjusted"] == pytest.approx(min(1, 2 * smaller["p"]))
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "n = 2 seeds" in out and "p (Holm)" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_a_facet_that_one_side_names_is_shared(store: Path) -> None:
    found = versus("policy=tsn", "policy=tam,backbone=resnet50", str(store), draws=100)
    assert [pair.a.backbone for pair in found.pairs] == ["resnet50"]
    assert found.unmatched == 1


def test_runs_of_a_store_by_name_and_key(store: Path, own: list[Result]) -> None:
    named = versus(own[0].name, own[3].name, str(store), draws=100)
    keyed = versus("0" * 16, f"{3:016x}", str(store), draws=100)
    assert named.differences == keyed.differences
    assert named.settings == {"policy": ("tsn", "tam"), "seed": (0, 1)}


def test_a_run_against_itself_differs_in_nothing(own: list[Result]) -> None:
    found = versus(str(own[0].folder), str(own[0].folder), draws=100)
    (difference,) = found.differences.values()
    assert (difference.estimate, difference.low, difference.high) == (0, 0, 0)
    assert found.pairs[0].p == 1
    assert found.diff is not None and found.diff.empty


def test_files_of_predictions_alone(own: list[Result], capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(r.predictions) for r in (own[1], own[3])]
    assert main(["study", "compare", *paths]) == 0
    out = capsys.readouterr().out
    assert "McNemar" in out and "params" not in out


def test_runs_on_other_videos_are_refused(own: list[Result], tmp_path: Path) -> None:
    other = result(tmp_path, TAM, [True, False], [0, 1], ["a", "b"])
    with pytest.raises(SpecError, match="their classes differ"):
        versus(str(own[0].predictions), str(other.predictions))


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        ("policy=tmn", "policy=tam", "did you mean `tsn`"),
        ("polcy=tsn", "policy=tam", "did you mean `policy`"),
        ("policy=tsn", "policy=", "no result has policy"),
        ("policy=tsn", "toy-tam-resnet18-f8-s0-uniform", "is one run"),
        ("toy-tam-resnet18-f8-s0-unifrm", "policy=tam", "toy-tam-resnet18-f8-s0-uniform"),
        ("000000000000000", "policy=tam", "runs are called"),
        ("policy=tsn,policy=tam", "policy=tam", "says policy twice"),
    ],
)
def test_mistakes_are_answered(
    store: Path, a: str, b: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["study", "compare", a, b, "--store", str(store)])
    assert status == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_export_writes_tables_of_a_store(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, words in (
        ("t.csv", "gain_low"), ("t.tex", r"\toprule"), ("t.md", "| --- |"), ("t.parquet", None),
    ):  # fmt: skip
        path = tmp_path / "new" / name
        assert main(["study", "export", str(store), "--table", "table5", "-o", str(path)]) == 0
        assert words is None or words in path.read_text()
        assert "wrote" in capsys.readouterr().err
    assert main(["study", "export", str(store)]) == 0
    out = capsys.readouterr().out
    assert "table8" in out and all(len(line) <= 80 for line in out.splitlines())


def test_export_gives_the_list_that_a_removal_leaves_out(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["study", "export", str(store), "--table"]
    path = tmp_path / "round_1.txt"
    assert main([*command, "removed", "--classes-per-round", "2", "-o", str(path)]) == 0
    lines = path.read_text().splitlines()
    assert len(lines) == 2 and set(lines) < {name.strip() for name in CLASSES} | set(CLASSES)
    assert main([*command, "table5", "--format", "lines"]) == 2
    given = tmp_path / "people.txt"
    given.write_text("TURN LEFT, slowly\n")
    assert main([*command, "table9", "--list", str(given), "--k", "2"]) == 0
    assert "people" in capsys.readouterr().out
    assert main([*command, "table9", "--list", str(tmp_path / "none.txt")]) == 2
    assert "cannot read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["published:study2021", "--table", "tabel8"], "did you mean `table8`"),
        (["published:study2012"], "did you mean `study2021`"),
        (["nowhere", "--table", "table8"], "no store"),
        (["published:study2021", "--table", "table8", "--format", "parquet"], "-o"),
        (["published:study2021", "--table", "table8", "-o", "a.xls"], ".parquet"),
        (["published:study2021", "--table", "table8", "--data", "mini_ssv1"], "mini_ssv2"),
        (["published:study2021", "--table", "table8", "-o", "/proc/none/a.csv"], "cannot write"),
    ],
)
def test_mistakes_of_export_are_answered(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "export", *arguments]) == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_damage_and_other_formats_are_told_and_stop_nothing(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "studies"
    shutil.copytree(store, root)
    damaged, newer = root / "runs" / f"{1:016x}", root / "runs" / f"{0:016x}"
    (damaged / "result.json").write_text("{")
    about = json.loads((newer / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps(about | {"format": 99}))
    where = ("--store", str(root))
    assert main(["study", "compare", "policy=tsn", "policy=tam", *where]) == 0
    told = capsys.readouterr()
    assert told.err.startswith("passing over") and damaged.name in told.err
    assert told.err.count("\n") == 1
    assert main(["study", "export", str(root), "--table", "runs"]) == 0
    assert damaged.name in capsys.readouterr().err
    assert main(["study", "compare", newer.name, f"{2:016x}", *where, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["diff"] is None
    assert [note for note in told["notes"] if "the specs are not compared" in note]
