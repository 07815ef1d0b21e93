"""Which places a selector means, counted from the architectures as they were published."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.ir.graphs import CLIPS, convert, converted, inserted, made_by, on, op, reads

# Blocks of stages 2 to 5.
RESNET50 = (3, 4, 6, 3)
RESNET18 = (2, 2, 2, 2)
INCEPTION_MODULES = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")


def blocks(counts: tuple[int, ...]) -> list[str]:
    """Return the paths of a ResNet's blocks."""
    return [f"layer{i}.{j}" for i, count in enumerate(counts, 1) for j in range(count)]


def test_slots_of_resnet50_are_its_bottlenecks_convolutions() -> None:
    for slot in ("conv2", "conv3"):
        expected = [f"{block}.{slot}" for block in blocks(RESNET50)]
        assert converted("resnet50", {"slot": slot}) == expected


def test_the_stems_slot_is_called_as_the_first_of_a_block() -> None:
    first = [f"{block}.conv1" for block in blocks(RESNET18)]
    assert converted("resnet18", {"slot": "conv1"}) == ["conv1", *first]


def test_a_list_of_slots_means_any_of_them() -> None:
    found = converted("resnet18", {"slot": ["conv2", "downsample"], "stages": 3})
    # The shortcut is projected in the first block alone.
    assert found == ["layer2.0.downsample.0", "layer2.0.conv2", "layer2.1.conv2"]


@pytest.mark.parametrize(
    ("backbone", "kernels"),
    [
        ("resnet18", {7: 1, 3: 16, 1: 3}),
        ("resnet50", {7: 1, 3: 16, 1: 2 * 16 + 4}),
        # 7x7, 1x1, 3x3; then nine modules of four 1x1 and two 3x3.
        ("inceptionv1", {7: 1, 3: 1 + 9 * 2, 1: 1 + 9 * 4}),
        # The stem and 17 depth-wise; 16 expansions, 17 projections and the last layer.
        ("mobilenetv2", {3: 1 + 17, 1: 16 + 17 + 1}),
        # The stem; eight fire modules of one 3x3 and two 1x1; the classifier.
        ("squeezenet", {3: 1 + 8, 1: 2 * 8 + 1}),
    ],
)
def test_kernels_of_published_backbones(backbone: str, kernels: dict[int, int]) -> None:
    for kernel, count in kernels.items():
        assert len(converted(backbone, {"kernel": kernel})) == count
    assert len(converted(backbone, {"op": "conv"})) == sum(kernels.values())
    assert len(converted(backbone, {"pointwise": True})) == kernels[1]
    assert len(converted(backbone, {"pointwise": False})) == sum(kernels.values()) - kernels[1]


def test_a_list_of_kernels_means_any_of_them() -> None:
    found = converted("resnet50", {"kernel": [3, 7]})
    assert found == ["conv1", *(f"{block}.conv2" for block in blocks(RESNET50))]


def test_depthwise_convolutions_of_mobilenetv2() -> None:
    # The first block does not expand, so its depth-wise convolution comes first.
    expected = ["features.1.conv.0.0", *(f"features.{i}.conv.1.0" for i in range(2, 18))]
    assert converted("mobilenetv2", {"depthwise": True}) == expected
    assert converted("mobilenetv2", {"depthwise": False, "pointwise": False}) == ["features.0.0"]


def test_convolutions_of_other_backbones_are_not_depthwise() -> None:
    assert len(converted("resnet50", {"depthwise": False})) == 53


def test_stages_of_resnet50() -> None:
    assert converted("resnet50", {"op": "conv", "stages": 1}) == ["conv1"]
    # A projection and three convolutions a block.
    for stage, count in enumerate(RESNET50, 2):
        found = converted("resnet50", {"op": "conv", "stages": stage})
        assert len(found) == 3 * count + 1
        assert all(path.startswith(f"layer{stage - 1}.") for path in found)


def test_stages_of_inceptionv1_are_its_numbers() -> None:
    for stage in (3, 4, 5):
        found = converted("inceptionv1", {"op": "conv", "stages": [stage]})
        modules = [m for m in INCEPTION_MODULES if m[0] == str(stage)]
        expected = {f"inception{module}": 6 for module in modules}
        assert Counter(path.partition(".")[0] for path in found) == expected


def test_stages_of_mobilenetv2_end_where_it_strides() -> None:
    found = converted("mobilenetv2", {"slot": "project", "stages": [2, 4]})
    # 24 twice; 64 four times and 96 three times, which share their resolution.
    expected = [f"features.{i}.conv.2" for i in (2, 3, *range(7, 14))]
    assert found == expected


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"every": 1}, [0, 1, 2, 3]),
        ({"every": 2}, [0, 2]),
        ({"every": 2, "from": 1}, [1, 3]),
        ({"every": 3}, [0, 3]),
        ({"every": 1, "from": 2}, [2, 3]),
        ({"every": 9}, [0]),
        ([1], [1]),
        (3, [3]),
        ([0, 3, 17], [0, 3]),
    ],
)
def test_blocks_of_the_four_of_resnet50s_second_residual_stage(
    chosen: Any, expected: list[int]
) -> None:
    found = converted("resnet50", {"slot": "conv2", "stages": 3, "blocks": chosen})
    assert found == [f"layer2.{index}.conv2" for index in expected]


def test_blocks_are_counted_anew_in_every_stage() -> None:
    found = converted("resnet50", {"slot": "conv1", "blocks": {"every": 2, "from": 1}})
    expected = [(1, 1), (2, 1), (2, 3), (3, 1), (3, 3), (3, 5), (4, 1)]
    assert found == [f"layer{i}.{j}.conv1" for i, j in expected]


def test_blocks_of_inceptionv1_are_its_modules() -> None:
    found = converted("inceptionv1", {"slot": "branch2.1", "blocks": {"every": 2}})
    expected = ("3a", "4a", "4c", "4e", "5a")
    assert found == [f"inception{module}.branch2.1.conv" for module in expected]


def test_a_condition_on_blocks_leaves_out_what_is_in_none() -> None:
    assert "conv1" not in converted("resnet18", {"slot": "conv1", "blocks": {"every": 1}})


def test_roles_hold_for_all_that_lies_inside() -> None:
    assert converted("resnet18", {"role": "stem"}) == ["conv1"]
    assert converted("inceptionv1", {"role": "stem"}) == ["conv1.conv"]
    assert converted("mobilenetv2", {"role": "stem"}) == ["features.0.0"]
    # The stage that pools space a third time: four bottlenecks and a projection.
    assert len(converted("resnet50", {"role": "spatial_pool_3"})) == 13


def test_a_list_of_roles_means_any_of_them() -> None:
    found = converted("resnet18", {"role": ["spatial_pool_5", "stem"], "kernel": [3, 7]})
    assert found == ["conv1", *(f"layer4.{i}.conv{j}" for i in (0, 1) for j in (1, 2))]


def test_families_of_operators_hold_for_frames_and_clips() -> None:
    wide = {"where": {"op": "conv", "kernel": 3}, "to": "conv3d", "kernel_t": 3}
    both = on("squeezenet", {"spatial": {"clips": CLIPS, "wide": wide}})
    assert len(made_by(both, "spatial.wide")) == 9


def test_an_operators_own_name_does_not_hold_for_its_twin() -> None:
    some = {"where": {"slot": "squeeze"}, "to": "3d"}
    rest = {"where": {"op": "conv2d"}, "to": "3d", "kernel_t": 3}
    network = on("squeezenet", {"spatial": {"some": some, "rest": rest}})
    assert len(made_by(network, "spatial.some")) == 8
    assert len(made_by(network, "spatial.rest")) == 26 - 8


@pytest.mark.parametrize(
    ("backbone", "pools"),
    [("resnet50", 1), ("inceptionv1", 4 + 9), ("squeezenet", 3)],
)
def test_poolings_of_published_backbones(backbone: str, pools: int) -> None:
    to_pool = {"to": "max_pool3d", "kernel_t": 1}
    assert len(converted(backbone, {"op": "pool"}, **to_pool)) == pools
    # A rule on the way to a pooling means poolings.
    assert len(converted(backbone, {"kernel": [2, 3]}, **to_pool)) == pools


def test_kernels_of_poolings() -> None:
    found = converted("inceptionv1", {"kernel": 2}, to="max_pool3d", kernel_t=1)
    assert found == ["maxpool4"]


def test_not_leaves_out_what_it_selects() -> None:
    found = converted("resnet18", {"op": "conv", "stages": 3, "not": {"slot": "downsample"}})
    assert found == [f"layer2.{i}.conv{j}" for i in (0, 1) for j in (1, 2)]


def test_conditions_within_not_hold_at_once() -> None:
    chosen = {"slot": "conv2", "not": {"stages": [4, 5], "blocks": 0}}
    found = converted("resnet18", chosen)
    expected = [block for block in blocks(RESNET18) if block not in ("layer3.0", "layer4.0")]
    assert found == [f"{block}.conv2" for block in expected]


# Places of insertion.


@pytest.mark.parametrize(
    ("slot", "point", "wired"),
    [
        ("conv2", "input", {"new": "relu1", "conv2": "new", "bn2": "conv2"}),
        ("conv2", "raw", {"new": "conv2", "bn2": "new", "relu2": "bn2"}),
        ("conv2", "output", {"new": "relu2", "conv3": "new", "relu2": "bn2"}),
        ("conv2", None, {"new": "relu2", "conv3": "new", "relu2": "bn2"}),
        ("conv1", "input", {"new": "x", "conv1": "new", "downsample": "x"}),
        ("conv3", "raw", {"new": "conv3", "bn3": "new", "add": "bn3"}),
        # The last unit of a bottleneck ends with its norm, in front of the sum.
        ("conv3", "output", {"new": "bn3", "add": "new", "bn3": "conv3"}),
    ],
)
def test_points_of_a_bottleneck(slot: str, point: str | None, wired: dict[str, str]) -> None:
    at = {"slot": slot, "stages": 2, "blocks": 0} | ({"point": point} if point else {})
    network = on("resnet50", {"temporal": {"new": {"insert": "tam", "at": at}}})
    assert {name: reads(network, f"layer1.0.{name}")[0] for name in wired} == wired


@pytest.mark.parametrize(
    ("point", "wired"),
    [
        ("input", {"new": "x", "conv": "new", "bn": "conv", "relu": "bn"}),
        ("raw", {"conv": "x", "new": "conv", "bn": "new", "relu": "bn"}),
        ("output", {"conv": "x", "bn": "conv", "relu": "bn", "new": "relu"}),
    ],
)
def test_points_of_a_branch_of_inception(point: str, wired: dict[str, str]) -> None:
    at = {"slot": "branch2.1", "stages": 5, "blocks": 1, "point": point}
    network = on("inceptionv1", {"temporal": {"new": {"insert": "tam", "at": at}}})
    assert made_by(network, "temporal.new") == ["inception5b.branch2.1.new"]
    assert {name: reads(network, f"inception5b.branch2.1.{name}")[0] for name in wired} == wired


@pytest.mark.parametrize(
    ("point", "wired"),
    [
        ("input", {"new": "x", "squeeze": "new"}),
        ("raw", {"new": "squeeze", "relu_squeeze": "new", "expand1x1": "relu_squeeze"}),
        ("output", {"new": "relu_squeeze", "expand1x1": "new", "expand3x3": "new"}),
    ],
)
def test_points_of_a_unit_without_norm(point: str, wired: dict[str, str]) -> None:
    at = {"slot": "squeeze", "stages": 2, "blocks": 0, "point": point}
    network = on("squeezenet", {"temporal": {"new": {"insert": "tam", "at": at}}})
    assert {name: reads(network, f"fire2.{name}")[0] for name in wired} == wired


@pytest.mark.parametrize("point", ["raw", "output"])
def test_both_points_behind_an_operator_without_a_unit_are_one(point: str) -> None:
    at = {"op": "max_pool2d", "point": point}
    network = on("resnet18", {"temporal": {"new": {"insert": "tam", "at": at}}})
    assert reads(network, "new") == ("maxpool",)
    assert reads(network, "layer1") == ("new",)


def test_an_operator_of_two_inputs_has_its_first_behind_what_is_inserted() -> None:
    at = {"op": "add", "stages": 2, "blocks": 1, "point": "input"}
    network = on("resnet18", {"temporal": {"new": {"insert": "tam", "at": at}}})
    assert reads(network, "layer1.1.new") == ("bn2",)
    assert reads(network, "layer1.1.add") == ("new", "x")


def test_a_place_is_found_by_the_same_conditions() -> None:
    at = {"slot": "conv2", "stages": [3, 4], "blocks": {"every": 2}, "not": {"stages": 4}}
    assert inserted("resnet50", at) == ["layer2.0.new", "layer2.2.new"]


# Parameters that run along.


def kernels_along(stages: list[int], **over: str) -> list[list[int]]:
    """Return the temporal kernels of 3 and 1 in turn, by stage of ResNet50."""
    kernel_t = {"each": [3, 1], **over}
    network = convert("resnet50", {"slot": "conv1", "stages": stages}, kernel_t=kernel_t)
    return [
        [op(network, f"layer{s - 1}.{j}.conv1").kernel_t for j in range(RESNET50[s - 2])]
        for s in stages
    ]


def test_each_begins_again_in_every_stage() -> None:
    expected = [[3, 1, 3], [3, 1, 3, 1], [3, 1, 3, 1, 3, 1], [3, 1, 3]]
    assert kernels_along([2, 3, 4, 5]) == expected
    assert kernels_along([2, 3, 4, 5], over="stage") == expected


def test_each_counts_through_the_model() -> None:
    expected = [[3, 1, 3], [1, 3, 1, 3], [1, 3, 1, 3, 1, 3], [1, 3, 1]]
    assert kernels_along([2, 3, 4, 5], over="model") == expected


def test_each_counts_only_what_is_selected() -> None:
    assert kernels_along([2, 4], over="model") == [[3, 1, 3], [1, 3, 1, 3, 1, 3]]


def test_each_of_an_inserted_operator() -> None:
    kernel = {"each": [3, 5, 7], "over": "model"}
    rule = {"insert": "tam", "at": {"role": "residual_start"}, "kernel": kernel}
    network = on("resnet18", {"temporal": {"new": rule}})
    found = [network.state[f"{block}.new.weight"][2] for block in blocks(RESNET18)]
    assert found == [3, 5, 7, 3, 5, 7, 3, 5]


def test_two_fields_run_along_side_by_side() -> None:
    fields = {"kernel_t": {"each": [1, 3, 5]}, "bias": {"each": [True, False]}}
    network = convert("resnet50", {"slot": "conv2", "stages": 4}, **fields)
    found = [op(network, f"layer3.{j}.conv2") for j in range(6)]
    assert [conv.kernel_t for conv in found] == [1, 3, 5, 1, 3, 5]
    assert [conv.bias for conv in found] == [True, False] * 3
