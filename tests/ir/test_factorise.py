"""Convolutions of space and time as two: names, wiring, shapes and what they cost."""

from __future__ import annotations

from typing import Any

import pytest

from stspec.network import Network
from tests.ir.graphs import (
    BACKBONES,
    CLIPS,
    assert_sound,
    convert,
    names,
    on,
    op,
    outputs,
    plain,
    reads,
)

WIDE = {"pointwise": False}


def factorised(backbone: Any, where: dict[str, Any], **fields: Any) -> Network:
    return convert(backbone, where, to="conv2plus1d", **fields)


def wiring(network: Network, path: str, *inner: str) -> dict[str, str]:
    """Return what nodes of a block read first."""
    return {name: reads(network, f"{path}.{name}")[0] for name in inner}


def test_a_unit_is_followed_by_one_of_the_same_names() -> None:
    network = factorised("resnet18", {"slot": "conv1", "stages": 2, "blocks": 0})
    made = ["conv1", "bn1", "relu1", "conv1_t", "bn1_t", "relu1_t"]
    assert names(network, "layer1.0") == [*made, "conv2", "bn2", "add", "relu"]
    readers = [*made[1:], "conv2"]
    assert wiring(network, "layer1.0", *readers) == dict(zip(readers, made, strict=True))


def test_a_unit_without_activation_gets_one_inside() -> None:
    network = factorised("resnet18", {"slot": "conv2", "stages": 2, "blocks": 0})
    made = ["conv2", "bn2", "conv2_relu", "conv2_t", "bn2_t"]
    assert names(network, "layer1.0") == ["conv1", "bn1", "relu1", *made, "add", "relu"]
    readers = [*made[1:], "add"]
    assert wiring(network, "layer1.0", *readers) == dict(zip(readers, made, strict=True))
    assert reads(network, "layer1.0.add") == ("bn2_t", "x")


def test_the_activation_inside_is_the_backbones() -> None:
    network = factorised("mobilenetv2", {"slot": "project", "stages": 3, "blocks": 0})
    # Behind the norm of the last convolution, 3: activation, convolution, norm.
    assert names(network, "features.4.conv") == ["0", "1", "2", "3", "4", "5", "6"]
    kinds = [op(network, f"features.4.conv.{i}").kind for i in (2, 3, 4, 5, 6)]
    assert kinds == ["conv2d", "batch_norm", "relu6", "conv3d", "batch_norm"]


def test_numbered_units_count_on() -> None:
    network = factorised("mobilenetv2", {"depthwise": True, "stages": 3, "blocks": 0})
    unit = "features.4.conv.1"
    kinds = [op(network, f"{unit}.{i}").kind for i in range(6)]
    assert kinds == ["conv2d", "batch_norm", "relu6", "conv3d", "batch_norm", "relu6"]
    assert names(network, unit) == ["0", "1", "2", "3", "4", "5"]


def test_a_projection_counts_on_as_well() -> None:
    network = factorised("resnet18", {"slot": "downsample", "stages": 3})
    kinds = [op(network, f"layer2.0.downsample.{i}").kind for i in range(5)]
    assert kinds == ["conv2d", "batch_norm", "relu", "conv3d", "batch_norm"]


def test_a_stem_of_layers_is_a_unit() -> None:
    network = factorised("resnet50", {"role": "stem"})
    made = ["conv1", "bn1", "relu", "conv1_t", "bn1_t", "relu_t"]
    assert [n.name for n in network.graph.nodes][:7] == [*made, "maxpool"]
    assert reads(network, "maxpool") == ("relu_t",)


def test_a_unit_of_inception_stays_within_itself() -> None:
    network = factorised("inceptionv1", {"slot": "branch3.1", "stages": 3})
    made = ["conv", "bn", "relu", "conv_t", "bn_t", "relu_t"]
    assert names(network, "inception3b.branch3.1") == made


def test_a_unit_without_norm_gets_none() -> None:
    network = factorised("squeezenet", {"slot": "expand3x3", "stages": 2, "blocks": 0})
    made = ["expand3x3", "relu3x3", "expand3x3_t", "relu3x3_t"]
    assert [n for n in names(network, "fire2") if "3x3" in n] == made
    assert reads(network, "fire2.concat") == ("relu1x1", "relu3x3_t")
    # The spatial convolution keeps its bias; the temporal one has none unless it is asked for.
    assert "fire2.expand3x3.bias" in network.state
    assert "fire2.expand3x3_t.bias" not in network.state


def test_shapes_of_weights() -> None:
    network = factorised("resnet18", {"slot": "conv1", "stages": 3}, kernel_t=5)
    state = network.state
    assert state["layer2.0.conv1.weight"] == (128, 64, 3, 3)
    assert state["layer2.0.conv1_t.weight"] == (128, 128, 5, 1, 1)
    assert state["layer2.0.bn1_t.weight"] == (128,)
    assert state["layer2.1.conv1_t.weight"] == (128, 128, 5, 1, 1)


def test_the_spatial_part_of_a_network_of_clips_is_one_of_clips() -> None:
    factorise = {"where": {"slot": "conv1", "stages": 3}, "to": "conv2plus1d"}
    state = on("resnet18", {"spatial": {"clips": CLIPS, "factorise": factorise}}).state
    assert state["layer2.0.conv1.weight"] == (128, 64, 1, 3, 3)
    assert state["layer2.0.conv1_t.weight"] == (128, 128, 3, 1, 1)


def test_width_is_that_between_the_two() -> None:
    # R(2+1)D chooses it so that both together have as many parameters as 3x3x3.
    middle = 27 * 64 * 64 // (9 * 64 + 3 * 64)
    network = factorised("resnet18", {"slot": ["conv1", "conv2"], "stages": 2}, width=middle)
    state = network.state
    assert middle == 144
    for unit in ("conv1", "conv2"):
        assert state[f"layer1.0.{unit}.weight"] == (144, 64, 3, 3)
        assert state[f"layer1.0.{unit}_t.weight"] == (64, 144, 3, 1, 1)
    assert state["layer1.0.bn1.weight"] == (144,)
    assert state["layer1.0.bn1_t.weight"] == (64,)
    assert 9 * 64 * 144 + 3 * 144 * 64 == 27 * 64 * 64


def test_depthwise_along_time() -> None:
    network = factorised("resnet18", {"slot": "conv2", "stages": 4}, depthwise=True)
    assert network.state["layer3.1.conv2_t.weight"] == (256, 1, 3, 1, 1)
    assert network.state["layer3.1.conv2.weight"] == (256, 256, 3, 3)


def test_a_depthwise_convolution_gets_a_depthwise_partner_unless_told_otherwise() -> None:
    where = {"depthwise": True, "stages": 1}
    shape = factorised("mobilenetv2", where).state["features.1.conv.0.3.weight"]
    assert shape == (32, 1, 3, 1, 1)
    shape = factorised("mobilenetv2", where, depthwise=False).state["features.1.conv.0.3.weight"]
    assert shape == (32, 32, 3, 1, 1)


def test_bias_along_time() -> None:
    network = factorised("resnet18", {"slot": "conv2", "stages": 4}, bias=True)
    assert network.state["layer3.1.conv2_t.bias"] == (256,)
    assert "layer3.1.conv2.bias" not in network.state


def test_the_spatial_part_keeps_the_stride() -> None:
    network = factorised("resnet18", {"slot": "conv1", "stages": 3})
    spatial, temporal = op(network, "layer2.0.conv1"), op(network, "layer2.0.conv1_t")
    assert (spatial.stride, spatial.kernel) == (2, 3)
    assert (temporal.stride, temporal.stride_t, temporal.kernel, temporal.kernel_t) == (1, 1, 1, 3)
    side = [network.facts[f"layer2.0.{n}"].output.height for n in ("conv1", "conv1_t")]
    assert side == [4, 4]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_what_was_there_keeps_its_shapes(backbone: str) -> None:
    before, after = plain(backbone), factorised(backbone, WIDE)
    assert_sound(after.graph)
    shapes = outputs(after)
    assert {path: shapes[path] for path in outputs(before)} == outputs(before)
    assert before.state.items() <= after.state.items()


@pytest.mark.parametrize(
    ("backbone", "widths"),
    [
        # The stem, then two blocks of two a stage; each temporal one with its norm.
        ("resnet18", [64] + [64] * 4 + [128] * 4 + [256] * 4 + [512] * 4),
        ("resnet50", [64] + [64] * 3 + [128] * 4 + [256] * 6 + [512] * 3),
    ],
)
def test_parameters_added(backbone: str, widths: list[int]) -> None:
    added = factorised(backbone, WIDE).facts.params - plain(backbone).facts.params
    assert added == sum(3 * c * c + 2 * c for c in widths)


def test_products_added_by_one_unit() -> None:
    before, after = plain("resnet18"), factorised("resnet18", {"slot": "conv1", "stages": 3})
    added = after.facts.macs() - before.facts.macs()
    # Two blocks; 8 frames of 4x4.
    assert added == {"convolution": 2 * 3 * 128 * 128 * 8 * 4 * 4}


def test_a_role_behind_a_unit_moves_with_its_end() -> None:
    spatial = {"wide": {"where": {"slot": "conv2"}, "to": "conv2plus1d"}}
    temporal = {"new": {"insert": "tam", "at": {"role": "residual_end", "stages": 2}}}
    network = on("resnet18", {"spatial": spatial, "temporal": temporal})
    assert reads(network, "layer1.0.new") == ("bn2_t",)
    assert reads(network, "layer1.0.add") == ("new", "x")


def test_a_role_in_front_of_a_unit_stays() -> None:
    spatial = {"wide": {"where": {"slot": "conv1"}, "to": "conv2plus1d"}}
    temporal = {"new": {"insert": "tam", "at": {"role": "residual_start", "stages": 2}}}
    network = on("resnet18", {"spatial": spatial, "temporal": temporal})
    assert reads(network, "layer1.0.new") == ("x",)
    assert reads(network, "layer1.0.conv1") == ("new",)


@pytest.mark.parametrize(
    ("at", "source", "reader"),
    [
        ({"slot": "conv1"}, "relu1_t", "conv2"),
        ({"slot": "conv1", "point": "raw"}, "conv1", "bn1"),
        ({"slot": "conv1", "point": "input"}, "x", "conv1"),
        ({"slot": "conv1_t", "point": "input"}, "relu1", "conv1_t"),
        ({"slot": "conv1_t", "point": "raw"}, "conv1_t", "bn1_t"),
    ],
)
def test_points_of_a_factorised_unit(at: dict[str, Any], source: str, reader: str) -> None:
    spatial = {"wide": {"where": {"slot": "conv1", "stages": 2}, "to": "conv2plus1d"}}
    temporal = {"new": {"insert": "tam", "at": {**at, "stages": 2}}}
    network = on("resnet18", {"spatial": spatial, "temporal": temporal})
    assert reads(network, "layer1.0.new") == (source,)
    assert reads(network, f"layer1.0.{reader}")[0] == "new"


def test_the_temporal_part_is_selected_by_its_slot() -> None:
    rules = {
        "two": {"where": {"slot": "conv2"}, "to": "conv2plus1d"},
        "longer": {"where": {"slot": "conv2_t", "stages": 5}, "to": "conv3d", "kernel_t": 5},
    }
    state = on("resnet18", {"spatial": rules}).state
    assert state["layer4.1.conv2_t.weight"] == (512, 512, 5, 1, 1)
    assert state["layer3.1.conv2_t.weight"] == (256, 256, 3, 1, 1)


def test_kernels_run_along() -> None:
    kernel_t = {"each": [3, 1], "over": "model"}
    state = factorised("resnet18", {"slot": "conv2"}, kernel_t=kernel_t).state
    found = [state[f"layer{i}.{j}.conv2_t.weight"][2] for i in (1, 2, 3, 4) for j in (0, 1)]
    assert found == [3, 1] * 4


def test_names_that_are_taken_are_left_alone() -> None:
    backbone = {
        "layers": {
            "conv1": {"op": "conv2d", "width": 8, "kernel": 3},
            "bn1": {"op": "batch_norm"},
            "relu": {"op": "relu"},
            "conv1_t": {"op": "conv2d", "width": 4, "kernel": 3},
        }
    }
    network = factorised(backbone, {"slot": "conv1"})
    assert_sound(network.graph)
    assert network.state["conv1_t.weight"] == (4, 8, 3, 3)
    assert (8, 8, 3, 1, 1) in network.state.values()


def test_the_temporal_one_may_stand_first() -> None:
    network = factorised("resnet50", {"slot": "conv2"}, first="temporal")
    made = ["conv1", "bn1", "relu1", "conv2_t", "bn2_t", "conv2_relu_t", "conv2", "bn2", "relu2"]
    assert names(network, "layer1.1")[:9] == made
    assert wiring(network, "layer1.1", *made[1:]) == dict(zip(made[1:], made, strict=False))


def test_what_enters_a_block_enters_the_first_of_two() -> None:
    rules = {
        "spatial": {"wide": {"where": {"slot": "conv1"}, "to": "conv2plus1d", "first": "temporal"}},
        "temporal": {"shift": {"insert": "shift", "at": {"role": "residual_start"}}},
    }
    network = on("resnet18", rules)
    assert reads(network, "layer1.0.conv1_t") == ("shift",)
    assert reads(network, "layer1.0.shift") == ("x",)


def test_widths_match_whichever_stands_first() -> None:
    network = factorised("resnet18", {"slot": "conv1"}, first="temporal", width="match_conv")
    # 3 * 9 * 64 * 128 weights, of 3 * 64 and 9 * 128 for every channel between.
    assert network.state["layer2.0.conv1_t.weight"] == (164, 64, 3, 1, 1)
    assert network.state["layer2.0.conv1.weight"] == (128, 164, 3, 3)


def test_the_norm_between_may_have_an_epsilon_of_its_own() -> None:
    for first, inner, outer in (("spatial", "bn1", "bn1_t"), ("temporal", "bn1_t", "bn1")):
        network = factorised("resnet18", {"slot": "conv1"}, first=first, inner_eps=0.01)
        epsilons = [op(network, f"layer1.0.{n}").model_dump()["eps"] for n in (inner, outer)]
        assert epsilons == [0.01, 1e-5]


def test_norms_of_layers_are_the_backbones() -> None:
    norm = {"eps": 0.01, "momentum": 0.2}
    network = on({"extends": "resnet18", "norm": norm}, {})
    dumped = op(network, "bn1").model_dump()
    assert {key: dumped[key] for key in norm} == norm
