"""The papers' tables and figures, made of a store in which shipped studies' runs are finished."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stspec.diagnostics import SpecError
from stspec.evaluate.predictions import Predictions, read_answers, write_predictions
from stspec.evaluate.views import Views
from stspec.study.figures import make_figure
from stspec.study.findings import Findings
from stspec.study.paper_tables import Options, make_table, table_names
from stspec.study.planning import make_plan
from stspec.study.records import Facets, Result
from stspec.study.sources import results_of
from stspec.study.store import create_store
from stspec.study.study import load_study
from stspec.study.tables import Table
from tests.study.made_runs import Made

CLASSES = [f"class {number}" for number in range(12)]
SETS = {
    "unified_288": ["grid.data=[mini_ssv2]", "grid.policy=[tsn, i3d, tam]",
                    "grid.backbone=[resnet18, resnet50]"],
    "r2plus1d_variants": [],
    "heads": ["grid.data=[jester]"],
    "sampling": ["grid.data=[mini_mit]", "grid.policy=[tsn, tam]"],
    "aggregation": ["grid.data=[mini_ssv2]"],
    "removal": ["grid.data=[mini_kinetics]"],
}  # fmt: skip
Of = Callable[[str], Findings]


@pytest.fixture(scope="module")
def of(tmp_path_factory: pytest.TempPathFactory) -> Of:
    """Return what makes the findings of a study of one store."""
    root = tmp_path_factory.mktemp("store")
    store = create_store(root)
    done: dict[str, Findings] = {}

    def findings(study: str) -> Findings:
        if study not in done:
            plan = make_plan(load_study(study, SETS[study]))
            (root / "plans" / f"{study}.json").write_text(json.dumps(plan.to_json()))
            missing = [run for run in plan.runs if not store.finished(run.key)]
            Made(classes=CLASSES, videos=120, steps=1).planned(store, missing)
            found = results_of(str(root), study)
            assert [each.name for each in found] == [each.name for each in plan.runs]
            done[study] = Findings(found, draws=50)
        return done[study]

    return findings


def top1(found: Findings, **wanted: object) -> float:
    (result,) = [
        each for each in found.results
        if all(getattr(each.facets, name) == value for name, value in wanted.items())
    ]  # fmt: skip
    assert result.top1 is not None
    return result.top1


def cell(table: Table, column: str, **row: object) -> object:
    (found,) = [
        each for each in table.records() if all(each[name] == value for name, value in row.items())
    ]
    return found[column]


def test_figures_of_the_unified_study(of: Of) -> None:
    found = of("unified_288")
    assert len(found.results) == 1 * 3 * 2 * 2 * 4
    for name, pooled, end in (("fig3", False, ""), ("fig10", True, "_tp")):
        figure = make_figure(name, found)
        (series,) = [each for each in figure.series if each.name == f"tam_resnet50{end}"]
        told = [top1(found, policy="tam", backbone="resnet50", temporal_pooling=pooled, frames=n)
                for n in (8, 16, 32, 64)]  # fmt: skip
        assert [(p.x, p.y) for p in series.points] == list(zip((8, 16, 32, 64), told, strict=True))
        for point in series.points:
            assert point.low is not None and point.high is not None and point.y is not None
            assert point.low <= point.y <= point.high
    assert len(make_figure("fig1", found).table().rows) == len(found.results)
    a = {"policy": "i3d", "temporal_pooling": False, "frames": 16}
    gain = top1(found, backbone="resnet50", **a) - top1(found, backbone="resnet18", **a)
    (series,) = [s for s in make_figure("fig5", found).series if s.name == "i3d, resnet50"]
    assert series.points[1].y == pytest.approx(gain)
    b = {"policy": "tam", "backbone": "resnet18", "frames": 8}
    gain = top1(found, temporal_pooling=True, **b) - top1(found, temporal_pooling=False, **b)
    (series,) = [s for s in make_figure("fig6", found).series if s.name == "tam_resnet18"]
    assert series.points[0].y == pytest.approx(gain)
    ways = {(e.source, e.target) for e in make_figure("fig7", found).edges if "8 frames" in e.panel}
    assert {("tsn", "tam"), ("tam", "tam_tp"), ("tsn", "tsn_tp"), ("tsn_tp", "tam_tp")} <= ways
    assert {s.name for s in make_figure("fig8", found).series} >= {"i3d", "tam", "tam_tp"}
    assert len(make_figure("fig9", found).series[0].points) == len(CLASSES)


def test_table_8_of_runs_is_worked_out_from_their_accuracies(of: Of) -> None:
    found = of("unified_288")
    table = make_table("table8", found)
    places = [
        {"backbone": backbone, "frames": frames}
        for backbone in ("resnet18", "resnet50") for frames in (8, 16, 32, 64)
    ]  # fmt: skip
    for measure, pooled in (("Φ", False), ("Ψ ta", False), ("Ψ ta+tp", True)):
        own = np.array([top1(found, policy="i3d", temporal_pooling=pooled, **p) for p in places])
        base = np.array([top1(found, policy="tsn", temporal_pooling=False, **p) for p in places])
        value = base / np.maximum(own, base) if measure == "Φ" else (own - base) / (1 - base)
        assert cell(table, "i3d", measure=measure) == pytest.approx(value.mean())
        assert cell(table, "pairs", measure=measure) == len(places)


def test_the_tables_of_2018_and_2020(of: Of) -> None:
    found = of("r2plus1d_variants")
    table = make_table("vmz2018", found)
    assert len(table.rows) == 12
    for policy in ("r2d", "rmc3", "r2plus1d"):
        for frames in (8, 16):
            told = cell(table, f"{frames} frames", policy=policy)
            assert told == top1(found, policy=policy, frames=frames)
    # Each of the models stands beside the accuracy that the paper prints: R(2+1)D, 16 frames.
    beside = make_table("published", found)
    assert len(beside.rows) == 24
    assert cell(beside, "published", model="r2plus1d_resnet18_nopool_tp", frames=16) == 0.68
    found = of("heads")
    table = make_table("comparison2020", found)
    assert len(table.rows) == 11
    column = "jester, 8 frames, squeezenet"
    told = top1(found, head="lstm", backbone="squeezenet", frames=8)
    assert cell(table, column, head="lstm") == told


def test_tables_of_sampling_aggregation_and_removal(of: Of) -> None:
    found = of("sampling")
    table = make_table("table4", found)
    dense = top1(found, policy="tam", frames=32, sampling="dense")
    uniform = top1(found, policy="tam", frames=32, sampling="uniform")
    assert cell(table, "gain", model="tam_resnet50", frames=32) == pytest.approx(dense - uniform)
    assert {s.name for s in make_figure("fig4", found).series} >= {"dense, clip level"}
    found = of("aggregation")
    gain = top1(found, policy="avg", backbone="resnet50") - top1(
        found, policy="tsn", backbone="resnet50"
    )
    table = make_table("table5", found)
    assert cell(table, "gain", policy="avg", backbone="resnet50") == pytest.approx(gain)
    assert {row[0] for row in make_table("table6", found).rows} == {"mini_ssv2"}
    (row,) = make_table("table10", of("removal"), Options(size=4)).records()
    assert (row["data"], row["classes"], row["removed"]) == ("mini_kinetics", 12, 4)


def test_protocols_and_data_are_those_of_the_folders(of: Of, tmp_path: Path) -> None:
    found = of("unified_288")
    row = make_table("table2", found).records()[0]
    assert (row["classes"], row["train_videos"], row["videos"]) == (12, 120, 120)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "# mine, resolved.\nepochs: 35\nbatch: 72\noptimizer: {kind: sgd, lr: 0.01, momentum: 0.9}"
        "\nschedule: {kind: multi_step, milestones: [10, 20]}\nnorm: {mode: sync}\n"
    )
    facets = Facets("mine", "resnet18", "tsn", False, 8)
    result = Result("k", "n", facets, {}, 0.5, None, None, 1, 1, folder=tmp_path)
    (row,) = make_table("table3", [result]).records()
    assert (row["epochs"], row["batch"], row["recipe"], row["sync_bn"]) == (35, 72, "mine", True)
    assert row["schedule"] == "multi_step at 10, 20"
    assert row["optimizer"] == "sgd, lr 0.01, momentum 0.9"
    recipe.write_text("epochs: [\n")
    assert len(make_table("table3", [result]).rows) == 1


def test_every_table_can_be_made_of_a_store(of: Of) -> None:
    for name in table_names():
        assert make_table(name, of("aggregation")).name == name


def test_the_accuracy_of_clips_is_the_mean_of_the_views_alone(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(40, 4, 3)).astype(np.float32)
    labels = tuple((number % 3,) for number in range(40))
    ids = tuple(f"v{number}" for number in range(40))
    found = Predictions(ids, labels, logits, ("a", "b", "c"), Views(clips=4))
    alone = [each.top1 for each in found.view_metrics() if each.top1 is not None]
    assert found.clip_top1 == pytest.approx(np.mean(alone))
    write_predictions(tmp_path / "p.npz", found)
    read = read_answers(tmp_path / "p.npz")
    assert (read.ids, read.labels, read.classes) == (ids, labels, ("a", "b", "c"))
    assert read.first.tolist() == found.fused.argmax(axis=1).tolist()


def test_first_classes_are_refused_as_predictions_are(tmp_path: Path) -> None:
    logits = np.array([[[1.0, 0.0]], [[0.0, 2.0]], [[0.0, 3.0]]], dtype=np.float32)
    good = Predictions(("a", "b", "c"), ((0,), (1,), (0,)), logits, ("x", "y"), Views())
    path = tmp_path / "p.npz"
    write_predictions(path, good)
    whole = path.read_bytes()
    place = whole.index(b"first.npy") + 9 + 128  # behind the header of the array
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(SpecError, match="Bad CRC-32"):
        read_answers(path)
    broken = replace(good, logits=np.where(logits == 3.0, np.nan, logits).astype(np.float32))
    write_predictions(path, broken)
    with pytest.raises(SpecError) as raised:
        read_answers(path)
    (told,) = raised.value.diagnostics
    assert told.message == "scores of 1 of 3 videos are not finite, `c` first"
