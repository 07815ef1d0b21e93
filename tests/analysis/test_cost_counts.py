"""Costs: by node, by stage, in total, and by every convention."""

from __future__ import annotations

import pytest

from stspec.analysis.cost import CONVENTIONS, cost
from stspec.analysis.report import report
from stspec.compose import index
from stspec.network import load


@pytest.mark.parametrize("name", sorted(index()))
def test_stages_add_up(name: str) -> None:
    network = load(name)
    costs = cost(network)
    for convention in CONVENTIONS.values():
        parts = sum(convention.count(stage) for stage in costs.stages)
        assert parts == convention.count(costs.total)
    assert sum(stage.params for stage in costs.stages) == costs.total.params == network.facts.params
    assert sum(stage.activations for stage in costs.stages) == costs.total.activations
    *trunk, last = [stage.name for stage in costs.stages]
    assert last == "head"
    assert trunk == sorted(trunk)


# What FlopCountAnalysis of fvcore 0.1.5.post20221221 says of the canonical module in training
# mode, on a clip of 8 x 64 x 64.
FVCORE = {
    "tsn_resnet18": 1_194_115_072,
    "i3d_resnet50": 5_282_054_144,
    "tsn_inceptionv1": 991_673_856,
}


@pytest.mark.parametrize("name", FVCORE)
def test_fvcore_counts_the_same(name: str) -> None:
    costs = cost(load(name, ["clip.size=64"]))
    assert CONVENTIONS["fvcore"].count(costs.total) == FVCORE[name]


def test_temporal_pooling_belongs_to_the_stage_in_front() -> None:
    stages = {row.name: row.stage for row in cost(load("tam_resnet50_tp")).rows}
    pools = {name: stage for name, stage in stages.items() if "t_pool" in name}
    assert list(pools.values()) == ["2", "3", "4"]


def test_a_sequence_of_several_stages_is_taken_apart() -> None:
    lines = {line.label for line in report(load("tam_mobilenetv2")).lines}
    assert "1  features.0..features.1" in lines
    assert "5  features.14..features.18" in lines


def test_receptive_fields_of_the_report() -> None:
    lines = report(load("i3d_resnet50")).lines
    by_label = {line.label: line for line in lines}
    assert (by_label["1  conv1..maxpool"].time_rf, by_label["1  conv1..maxpool"].space_rf) == (
        3,
        11,
    )
    assert by_label["head"].time_rf is None
    assert lines[-1].time_rf == 35
    assert lines[-1].space_stride == 32


def test_no_head() -> None:
    network = load("tam", ["head=none"])
    assert [stage.name for stage in cost(network).stages] == ["1", "2", "3", "4", "5"]
    assert report(network).lines[-1].output == "2048x8x7x7"
