"""Tables and figures, of what is published and of runs with predictions."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stspec.diagnostics import SpecError
from stspec.study.figures import FIGURES, make_figure
from stspec.study.findings import Findings
from stspec.study.paper_tables import TABLES, Options, make_table, table_names
from stspec.study.published import published
from stspec.study.records import Result
from stspec.study.tables import Column
from stspec.study.temporality import (
    class_gains,
    overlap,
    removal_round,
    static_classes,
    temporal_classes,
)
from tests.study.made import TAM, TSN, bare, result

CLASSES = ("still", "turn", "spin", "sit")
LABELS = [n % 4 for n in range(80)]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Return runs of TSN, TAM (two seeds of each) and I3D; TAM wins `turn` and `spin`."""
    folder = tmp_path_factory.mktemp("store")
    order = np.arange(80) // 4
    of_tsn = np.select([np.isin(LABELS, (0, 3))], [order < 18], order < 2)
    of_tam = np.select([np.array(LABELS) == 1, np.array(LABELS) == 2], [order < 12, order < 17],
                       order < 17)  # fmt: skip
    i3d = replace(TSN, policy="i3d")
    tp = replace(TAM, temporal_pooling=True)
    return [
        result(folder, TSN, of_tsn.tolist(), LABELS, CLASSES, seed=0),
        result(folder, TSN, np.roll(of_tsn, 4).tolist(), LABELS, CLASSES, seed=1),
        result(folder, TAM, of_tam.tolist(), LABELS, CLASSES, seed=0),
        result(folder, TAM, np.roll(of_tam, 4).tolist(), LABELS, CLASSES, seed=1),
        result(folder, i3d, of_tam.tolist(), LABELS, CLASSES),
        result(folder, tp, of_tsn.tolist(), LABELS, CLASSES),
    ]


def test_every_table_and_figure_can_be_made_of_anything(own: list[Result]) -> None:
    for results in (own, [], published("comparison2020"), [bare(TAM, 0.5)]):
        found = Findings(results, draws=50)
        for name in table_names():
            assert make_table(name, found).name == name
    assert {f"fig{n}" for n in (1, 3, 4, 5, 6, 7, 8, 9, 10)} < set(FIGURES)
    assert {f"table{n}" for n in range(1, 11)} < set(TABLES)


def top1(data: str, policy: str, backbone: str, pooling: bool, frames: int) -> float:
    (found,) = [
        r.top1 for r in published("study2021")
        if (r.facets.data, r.facets.policy, r.facets.backbone, r.facets.temporal_pooling,
            r.facets.frames) == (data, policy, backbone, pooling, frames)
    ]  # fmt: skip
    assert found is not None
    return found


def test_accuracies_by_frames_are_the_published_ones() -> None:
    for name, pooling, end in (("fig3", False, ""), ("fig10", True, "_tp")):
        figure = make_figure(name, published("study2021"))
        assert len(figure.series) == 3 * 3 * 4
        (found,) = [
            s for s in figure.series
            if (s.panel, s.name) == ("mini_mit", f"s3d_resnet50{end}")
        ]  # fmt: skip
        assert [p.x for p in found.points] == [8, 16, 32, 64]
        expected = [top1("mini_mit", "s3d", "resnet50", pooling, f) for f in (8, 16, 32, 64)]
        assert [p.y for p in found.points] == expected


def test_gains_by_backbone_and_pooling_are_differences_of_published_ones() -> None:
    figure = make_figure("fig5", published("study2021"))
    (found,) = [
        s for s in figure.series if (s.panel, s.name) == ("mini_ssv2", "tam, resnet50")
    ]  # fmt: skip
    expected = [
        top1("mini_ssv2", "tam", "resnet50", False, f)
        - top1("mini_ssv2", "tam", "resnet18", False, f)
        for f in (8, 16, 32, 64)
    ]  # fmt: skip
    assert [p.y for p in found.points] == pytest.approx(expected)
    figure = make_figure("fig6", published("study2021"))
    (found,) = [
        s for s in figure.series if (s.panel, s.name) == ("mini_ssv2", "tsn_resnet50")
    ]  # fmt: skip
    # The study: pooling helps TSN on Something-Something, and hurts the others.
    assert all(p.y is not None and p.y > 0.1 for p in found.points)
    others = [
        p.y for s in figure.series for p in s.points
        if s.panel == "mini_ssv2" and s.name.startswith(("tam", "i3d"))
    ]  # fmt: skip
    assert len(others) == 24
    assert np.mean([y for y in others if y is not None]) < 0


def test_the_evolution_graph_tells_accuracy_and_cost_of_each_step() -> None:
    figure = make_figure("fig7", published("study2021"))
    panel = "mini_ssv2, resnet50, 8 frames"
    edges = {(e.source, e.target): e for e in figure.edges if e.panel == panel}
    for path in (("tsn", "tam"), ("tam", "tam_tp"), ("tsn", "tsn_tp"), ("tsn_tp", "tam_tp")):
        assert path in edges
    around = [edges["tsn", "tam"], edges["tam", "tam_tp"]], [
        edges["tsn", "tsn_tp"], edges["tsn_tp", "tam_tp"]
    ]  # fmt: skip
    # Both ways from TSN to TAM with pooling come to the same.
    gains = [sum(e.gain for e in way) for way in around]
    assert gains[0] == pytest.approx(gains[1])
    assert sum(e.macs for e in around[0]) == sum(e.macs for e in around[1])
    expected = top1("mini_ssv2", "tam", "resnet50", True, 8) - top1(
        "mini_ssv2", "tsn", "resnet50", False, 8
    )
    assert gains[0] == pytest.approx(expected)
    assert edges["tam", "tam_tp"].macs < 0 < edges["tsn", "tam"].macs


def test_gains_by_length_are_over_the_next_shorter_clips() -> None:
    figure = make_figure("length", published("study2021"))
    (found,) = [
        s for s in figure.series if (s.panel, s.name) == ("mini_kinetics", "i3d_resnet18")
    ]  # fmt: skip
    accuracy = [top1("mini_kinetics", "i3d", "resnet18", False, f) for f in (8, 16, 32, 64)]
    assert [p.x for p in found.points] == [16, 32, 64]
    assert [p.y for p in found.points] == pytest.approx(np.diff(accuracy).tolist())


def test_p_values_are_told_as_far_as_they_are_known() -> None:
    column = Column("p", "p", "p", 4)
    assert [column.text(p) for p in (0.00003, 0.0123, 1.0)] == ["< 0.0001", "0.0123", "1.0000"]


def test_one_seed_is_told(own: list[Result]) -> None:
    several = Findings([r for r in own if r.facets in (TSN, TAM)], draws=50)
    alone = Findings([own[0], own[2]], draws=50)
    for found, told in ((several, False), (alone, True)):
        notes = make_table("table5", found).notes
        assert any("n = 1 seed" in note for note in notes) is told


def test_a_cell_is_the_mean_of_its_seeds(own: list[Result]) -> None:
    table = make_table("table5", Findings(own, draws=200))
    rows = {row["policy"]: row for row in table.records()}
    tsn, tam = own[0].top1, own[2].top1
    assert tsn is not None
    assert tam is not None
    assert rows["tam"]["top1"] == pytest.approx(tam)
    assert rows["tam"]["gain"] == pytest.approx(tam - tsn)
    low, high = rows["tam"]["gain_low"], rows["tam"]["gain_high"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert 0 < low < tam - tsn < high
    assert rows["tam"]["seeds"] == 2
    assert rows["tsn"]["gain"] is None


def test_predictions_that_do_not_go_together_cost_the_interval_alone(tmp_path: Path) -> None:
    one = result(tmp_path, TSN, [True, False], [0, 1], ["a", "b"])
    other = result(tmp_path, TAM, [True, True], [0, 1], ["a", "c"])
    table = make_table("table5", [one, other])
    assert table.records()[1]["gain"] == 0.5
    assert "gain_low" not in [column.name for column in table.columns]
    assert any("their classes differ" in note for note in table.notes)


def test_videos_that_only_some_runs_have_are_left_out_and_told(tmp_path: Path) -> None:
    one = result(tmp_path, TSN, [True, False, True], [0, 1, 0], ["a", "b"])
    other = result(tmp_path, TAM, [True, True], [0, 1], ["a", "b"])
    found = Findings([one, other], draws=20)
    joined = found.outcomes("toy")
    assert joined is not None
    assert joined.ids == ("v0", "v1")
    assert joined.accuracy.tolist() == [0.5, 1.0]
    assert any("1 videos of toy are left out" in note for note in found.notes)


def test_runs_that_differ_by_more_than_seed_are_told() -> None:
    one = bare(TSN, 0.5)
    other = replace(bare(TSN, 0.7, seed=1), settings={"lr": 0.1, "seed": 1})
    found = Findings([one, other])
    assert found.top1(TSN) == pytest.approx(0.6)
    assert any("more than their seed" in note for note in found.notes)


def test_published_results_do_not_mix_with_ones_own_but_stand_beside_them() -> None:
    (paper,) = [r for r in published("study2021") if r.name == "mini_ssv2/tam_resnet18-f8"]
    mine = bare(replace(paper.facets, data="Mini-SSV2"), 0.5)
    with pytest.raises(SpecError, match="published"):
        Findings([paper, mine])
    (row,) = make_table("published", [mine]).records()
    assert row["published"] == paper.top1
    assert row["yours"] == 0.5
    assert row["difference"] == pytest.approx(0.5 - (paper.top1 or 0))


def test_class_gains_by_hand(own: list[Result]) -> None:
    (gains,) = class_gains(own)
    assert gains.models == ("tam", "i3d", "tam_tp")
    # Of 20 videos a class, TSN has 18 of still and sit, 2 of the others; TAM 17, 12 and 17.
    tam = gains.gains[gains.models.index("tam")]
    assert tam == pytest.approx([-1 / 20, 10 / 20, 15 / 20, -1 / 20])
    assert gains.ranked("tam")[:2] == ["spin", "turn"]
    assert temporal_classes(gains, 2) == ["spin", "turn"]
    assert set(static_classes(gains, 2)) == {"still", "sit"}
    assert gains.correlation("tam", "i3d") == pytest.approx(1.0)
    assert gains.correlation("tam", "tam_tp") is None
    figure = make_figure("fig8", own)
    assert "toy: correlation of tam and i3d: 1.00" in figure.notes
    profile = make_figure("fig9", own).series[0]
    assert [p.label for p in profile.points][:2] == ["spin", "turn"]


def test_no_class_is_both_temporal_and_static(own: list[Result]) -> None:
    (gains,) = class_gains(own)
    for k in range(1, 9):
        assert not set(temporal_classes(gains, k)) & set(static_classes(gains, k))
    with pytest.raises(SpecError):
        temporal_classes(gains, 0)


def test_overlap_with_a_list_that_people_made(own: list[Result]) -> None:
    given = ["Spin", "TURN ", "somersault"]
    (gains,) = class_gains(own)
    found = overlap(temporal_classes(gains, 2), given, gains.classes)
    assert (found.common, found.share, found.given) == (("spin", "turn"), 1.0, 2)
    table = make_table("table9", own, Options(given={"people": given}, k=2))
    (row,) = table.records()
    assert (row["temporal"], row["static"]) == (2, 0)


def test_a_round_of_removal_takes_the_classes_of_the_largest_gain(own: list[Result]) -> None:
    (gains,) = class_gains(own)
    found = removal_round(gains, 2)
    assert found.removed == ("spin", "turn")
    assert found.kept == ("still", "sit")
    assert found.atg_all == pytest.approx(float(gains.mean.mean()))
    assert found.atg_tc == pytest.approx(float(gains.mean[[1, 2]].mean()))
    with pytest.raises(SpecError, match="cannot remove 3 of 4"):
        removal_round(gains, 3)


def test_a_class_without_videos_has_no_gain_and_is_not_ranked(tmp_path: Path) -> None:
    classes = ("a", "b", "never")
    one = result(tmp_path, TSN, [True, False], [0, 1], classes)
    other = result(tmp_path, TAM, [True, True], [0, 1], classes)
    (gains,) = class_gains([one, other])
    assert gains.ranked() == ["b", "a"]
    assert math.isnan(gains.mean[2])
