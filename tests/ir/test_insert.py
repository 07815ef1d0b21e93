"""What is inserted at every role: how often, on how many channels, under which names, at what cost.

Channels stand in the order of execution and come from the papers' tables.
"""

from __future__ import annotations

from typing import Any

import pytest

from stspec.graph.model import walk
from stspec.network import Network
from tests.ir.graphs import (
    BACKBONES,
    assert_sound,
    insert,
    inserted,
    made_by,
    names,
    on,
    outputs,
    plain,
    reads,
)

RESNET18 = [64] * 2 + [128] * 2 + [256] * 2 + [512] * 2
RESNET50 = [256] * 3 + [512] * 4 + [1024] * 6 + [2048] * 3
INCEPTION = [256, 480, 512, 512, 512, 528, 832, 832, 1024]
MOBILENET = [16, *[24] * 2, *[32] * 3, *[64] * 4, *[96] * 3, *[160] * 3, 320]
FIRE = [128] * 2 + [256] * 2 + [384] * 2 + [512] * 2

REPEATED = [24, *[32] * 2, *[64] * 3, *[96] * 2, *[160] * 2]
"""MobileNetV2 has a shortcut in every block but the first of each width."""

PLACES: dict[str, dict[str, list[int]]] = {
    "resnet18": {
        "block_input": [64, *RESNET18[:-1]],
        "residual_start": [64, *RESNET18[:-1]],
        "residual_end": RESNET18,
        "block_output": RESNET18,
        **{"stem": [64], "spatial_pool_1": [64], "spatial_pool_2": [64]},
        **{"spatial_pool_3": [128], "spatial_pool_4": [256], "spatial_pool_5": [512]},
    },
    "resnet50": {
        "block_input": [64, *RESNET50[:-1]],
        "residual_start": [64, *RESNET50[:-1]],
        "residual_end": RESNET50,
        "block_output": RESNET50,
        **{"stem": [64], "spatial_pool_1": [64], "spatial_pool_2": [64]},
        **{"spatial_pool_3": [512], "spatial_pool_4": [1024], "spatial_pool_5": [2048]},
    },
    "inceptionv1": {
        "module_input": [192, *INCEPTION[:-1]],
        "module_output": [64, 64, 192, *INCEPTION],
        "block_output": INCEPTION,
        **{"stem": [64], "spatial_pool_1": [64], "spatial_pool_2": [64]},
        **{"spatial_pool_3": [192], "spatial_pool_4": [480], "spatial_pool_5": [832]},
    },
    "mobilenetv2": {
        "block_input": [32, *MOBILENET[:-1]],
        "residual_start": REPEATED,
        "residual_end": REPEATED,
        "block_output": MOBILENET,
        **{"stem": [32], "spatial_pool_1": [32], "spatial_pool_2": [24]},
        **{"spatial_pool_3": [32], "spatial_pool_4": [64], "spatial_pool_5": [160]},
    },
    "squeezenet": {
        "module_input": [64, *FIRE[:-1]],
        "module_output": FIRE,
        "block_output": FIRE,
        **{"stem": [64], "spatial_pool_1": [64], "spatial_pool_2": [64]},
        **{"spatial_pool_3": [128], "spatial_pool_4": [256], "classifier": [5]},
    },
}
EVERY = [(backbone, role) for backbone, roles in PLACES.items() for role in roles]


def channels_of(network: Network) -> list[int]:
    """Return the channels that arrive at what is inserted."""
    return [network.facts[path].inputs[0].channels for path in made_by(network, "temporal.new")]


def assert_only_added(before: Network, after: Network) -> None:
    """Check that all that was there is there, with the shapes and keys that it had."""
    assert_sound(after.graph)
    shapes = outputs(after)
    assert {path: shapes[path] for path in outputs(before)} == outputs(before)
    kept = {key: shape for key, shape in after.state.items() if key in before.state}
    assert list(kept.items()) == list(before.state.items())


@pytest.mark.parametrize(("backbone", "role"), EVERY)
def test_places_and_cost_of_a_role(backbone: str, role: str) -> None:
    before, after = plain(backbone), insert(backbone, {"role": role})
    channels = PLACES[backbone][role]
    assert channels_of(after) == channels
    assert_only_added(before, after)
    # Three weights a channel, each used at every position.
    assert after.facts.params - before.facts.params == 3 * sum(channels)
    positions = [after.facts[path].output.positions for path in made_by(after, "temporal.new")]
    products = sum(3 * c * n for c, n in zip(channels, positions, strict=True))
    assert after.facts.macs() - before.facts.macs() == {"convolution": products}


@pytest.mark.parametrize("backbone", PLACES)
def test_these_are_all_roles(backbone: str) -> None:
    roles = {role for _, node in walk(plain(backbone).graph) for role, _ in node.tags.roles}
    assert roles == {*PLACES[backbone], "classifier"}


@pytest.mark.parametrize(
    ("backbone", "role", "first"),
    [
        ("resnet18", "residual_start", "layer1.0.new"),
        ("resnet50", "block_input", "layer1.0.new"),
        ("resnet50", "residual_end", "layer1.0.new"),
        ("resnet50", "block_output", "layer1.0.new"),
        ("inceptionv1", "module_output", "conv1.new"),
        ("inceptionv1", "module_input", "inception3a.new"),
        ("inceptionv1", "block_output", "inception3a.new"),
        ("squeezenet", "module_output", "fire2.new"),
        ("mobilenetv2", "block_input", "features.1.new"),
        # Beside a module, the name says beside which.
        ("mobilenetv2", "residual_start", "features.3.conv_new"),
        ("mobilenetv2", "stem", "features.0_new"),
        ("resnet18", "spatial_pool_3", "layer2_new"),
    ],
)
def test_names_of_parameters(backbone: str, role: str, first: str) -> None:
    network = insert(backbone, {"role": role})
    assert made_by(network, "temporal.new")[0] == first
    added = [key for key in network.state if key not in plain(backbone).state]
    assert added[0] == f"{first}.weight"
    assert len(added) == len(PLACES[backbone][role])


def test_a_name_that_is_taken_is_left_alone() -> None:
    rule = {"insert": "tam", "at": {"role": "residual_start"}}
    network = on("resnet18", {"temporal": {"conv2": rule}})
    assert_only_added(plain("resnet18"), network)
    assert len(network.state) == len(plain("resnet18").state) + 8


# Wiring.


def test_only_the_residual_branch_reads_what_stands_at_its_start() -> None:
    network = insert("resnet18", {"role": "residual_start"})
    assert reads(network, "layer2.0.new") == ("x",)
    assert reads(network, "layer2.0.conv1") == ("new",)
    assert reads(network, "layer2.0.downsample") == ("x",)
    assert reads(network, "layer2.1.add") == ("bn2", "x")


def test_the_shortcut_reads_what_stands_at_a_blocks_input() -> None:
    network = insert("resnet18", {"role": "block_input"})
    assert reads(network, "layer2.0.new") == ("x",)
    assert reads(network, "layer2.0.conv1") == ("new",)
    assert reads(network, "layer2.0.downsample") == ("new",)
    assert reads(network, "layer2.1.add") == ("bn2", "new")


def test_the_sum_reads_what_stands_at_a_residuals_end() -> None:
    network = insert("resnet50", {"role": "residual_end"})
    assert reads(network, "layer1.0.new") == ("bn3",)
    assert reads(network, "layer1.0.add") == ("new", "downsample")


def test_a_blocks_output_is_what_stands_behind_it() -> None:
    network = insert("resnet50", {"role": "block_output"})
    assert reads(network, "layer1.0.new") == ("relu",)
    assert names(network, "layer1.0")[-1] == "new"
    assert reads(network, "layer1.1") == ("0",)


def test_all_branches_read_what_stands_at_a_modules_input() -> None:
    network = insert("inceptionv1", {"role": "module_input"})
    for branch in ("branch1", "branch2", "branch3", "branch4"):
        assert reads(network, f"inception4c.{branch}") == ("new",)
    assert reads(network, "inception4c.new") == ("x",)


@pytest.mark.parametrize(
    ("backbone", "role", "first", "reader"),
    [
        ("inceptionv1", "module_input", "inception4c.a", "inception4c.branch1"),
        ("resnet18", "block_input", "layer2.0.a", "layer2.0.downsample"),
        ("resnet18", "residual_start", "layer2.0.a", "layer2.0.conv1"),
    ],
)
def test_what_a_later_rule_inserts_in_front_reads_what_an_earlier_one_did(
    backbone: str, role: str, first: str, reader: str
) -> None:
    names = ("a", "b", "c")
    rules = {name: {"insert": "tam", "at": {"role": role}} for name in names}
    network = on(backbone, {"temporal": rules})
    block = first.rpartition(".")[0]
    assert reads(network, first) == ("x",)
    assert [reads(network, f"{block}.{name}") for name in "bc"] == [("a",), ("b",)]
    assert reads(network, reader) == ("c",)


def test_what_is_inserted_in_front_reads_the_input_where_a_rule_has_changed_a_layer() -> None:
    rules = {
        "spatial": {"squeeze": {"where": {"slot": "squeeze"}, "to": "conv3d", "kernel_t": 3}},
        "temporal": {"a": {"insert": "tam", "at": {"role": "module_input"}}},
    }
    network = on("squeezenet", rules)
    assert reads(network, "fire5.a") == ("x",)
    assert reads(network, "fire5.squeeze") == ("a",)


def test_a_module_gives_out_what_stands_at_its_output() -> None:
    network = insert("inceptionv1", {"role": "module_output", "stages": [1, 4]})
    assert reads(network, "inception4c.new") == ("concat",)
    assert names(network, "inception4c")[-1] == "new"
    assert names(network, "conv1") == ["conv", "bn", "relu", "new"]


def test_a_linear_bottleneck_without_shortcut_has_no_residual() -> None:
    found = inserted("mobilenetv2", {"role": "residual_start"})
    with_shortcut = [3, 5, 6, 8, 9, 10, 12, 13, 15, 16]
    assert found == [f"features.{i}.conv_new" for i in with_shortcut]


def test_the_next_layer_reads_what_stands_behind_a_pooling() -> None:
    network = insert("resnet18", {"role": "spatial_pool_2"})
    assert reads(network, "new") == ("maxpool",)
    assert reads(network, "layer1") == ("new",)


# Operators and blocks, at both sides of a bottleneck's 3x3 convolution.


@pytest.mark.parametrize("point", ["input", "output"])
@pytest.mark.parametrize(
    ("op", "fields", "params", "products"),
    [
        ("tam", {"kernel": 5}, 5 * 64, 5 * 64),
        ("tam", {"depthwise": False}, 3 * 64 * 64, 3 * 64 * 64),
        ("shift", {"fold_div": 4}, 0, 0),
        ("temporal_avg_pool", {"kernel": 3, "stride": 1}, 0, 0),
        ("conv3d", {"kernel_t": 3, "bias": True}, 3 * 64 * 64 + 64, 3 * 64 * 64),
        ("conv2d", {"kernel": 3, "groups": "depthwise"}, 9 * 64, 9 * 64),
        ("batch_norm", {}, 2 * 64, 0),
        ("relu", {}, 0, 0),
        # Two 3x3 convolutions, each with its norm.
        ("basic", {"width": 64}, 2 * (9 * 64 * 64 + 2 * 64), 2 * 9 * 64 * 64),
    ],
)
def test_cost_is_the_operators_own(
    op: str, fields: dict[str, Any], params: int, products: int, point: str
) -> None:
    at = {"slot": "conv2", "stages": 2, "blocks": 1, "point": point}
    before, after = plain("resnet50"), insert("resnet50", at, op, **fields)
    assert_only_added(before, after)
    assert made_by(after, "temporal.new") == ["layer1.1.new"]
    assert after.facts.params - before.facts.params == params
    # 8 frames of 8x8: the clip's 32 through the stem and its pooling.
    added = after.facts.macs() - before.facts.macs()
    assert added["convolution"] == products * 8 * 8 * 8


def test_cost_of_a_non_local_block() -> None:
    at = {"role": "block_output", "stages": 4, "blocks": 0}
    before, after = plain("resnet50"), insert("resnet50", at, "non_local")
    assert_only_added(before, after)
    # theta, phi and g with bias; the output without, and its norm.
    inner = 512
    assert after.facts.params - before.facts.params == (
        3 * (1024 * inner + inner) + inner * 1024 + 2 * 1024
    )
    queries, keys = 8 * 2 * 2, 8 * 1 * 1
    added = after.facts.macs() - before.facts.macs()
    assert added["convolution"] == 4 * 1024 * inner * queries
    assert added["matmul"] == 2 * inner * queries * keys


def test_parts_of_an_inserted_block_stand_below_its_name() -> None:
    at = {"role": "block_output", "stages": 3, "blocks": [1, 3]}
    network = insert("resnet50", at, "non_local")
    added = [key for key in network.state if key not in plain("resnet50").state]
    owners = {key.rpartition(".")[0].rpartition(".")[0] for key in added}
    assert owners == {"layer2.1.new", "layer2.3.new"}
    assert network.state["layer2.1.new.theta.weight"] == (256, 512, 1, 1)


def test_a_block_in_front_is_made_for_what_arrives() -> None:
    at = {"slot": "conv1", "stages": 2, "blocks": 1, "point": "input"}
    for place in (at, {"role": "residual_start", "stages": 2, "blocks": 1}):
        network = insert("resnet50", place, "non_local")
        assert network.state["layer1.1.new.theta.weight"] == (128, 256, 1, 1)
    entry = {"role": "module_input", "stages": 4, "blocks": 0}
    network = insert("inceptionv1", entry, "non_local")
    assert network.state["inception4a.new.theta.weight"] == (240, 480, 1, 1)


def test_a_strided_side_has_the_channels_and_positions_of_its_edge() -> None:
    at = {"slot": "conv2", "stages": 3, "blocks": 0}
    front = insert("resnet50", {**at, "point": "input"}).facts["layer2.0.new"].output
    behind = insert("resnet50", {**at, "point": "raw"}).facts["layer2.0.new"].output
    assert (front.channels, front.height) == (128, 8)
    assert (behind.channels, behind.height) == (128, 4)


def test_two_rules_at_two_sides_do_not_disturb_each_other() -> None:
    rules = {
        "a": {"insert": "tam", "at": {"role": "residual_start"}},
        "b": {"insert": "tam", "at": {"role": "residual_end"}, "kernel": 5},
    }
    network = on("resnet50", {"temporal": rules})
    assert_only_added(plain("resnet50"), network)
    assert reads(network, "layer3.2.conv1") == ("a",)
    assert reads(network, "layer3.2.add") == ("b", "x")
    added = network.facts.params - plain("resnet50").facts.params
    assert added == 3 * (64 + sum(RESNET50[:-1])) + 5 * sum(RESNET50)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_frames_are_the_clips_throughout(backbone: str) -> None:
    network = insert(backbone, {"role": "block_output"})
    frames = {fact.output.frames for fact in network.facts if fact.output.is_trunk}
    assert frames == {8}


def test_between_a_norm_and_its_activation() -> None:
    network = insert("resnet18", {"slot": "conv1", "stages": [2], "point": "norm"})
    block = network.graph.node("layer1").body.node("0").body  # type: ignore[union-attr]
    nodes = {node.name: node.inputs for node in block.nodes}  # type: ignore[union-attr]
    assert nodes["new"] == ("bn1",) and nodes["relu1"] == ("new",)
    assert len(inserted("resnet18", {"slot": "conv1", "stages": [2], "point": "norm"})) == 2


def test_behind_the_convolution_where_its_unit_has_no_norm() -> None:
    network = insert(
        {"extends": "squeezenet", "norm": "none"}, {"slot": "squeeze", "point": "norm"}
    )
    block = network.graph.node("fire2").body
    nodes = {node.name: node.inputs for node in block.nodes}  # type: ignore[union-attr]
    assert nodes["new"] == ("squeeze",) and nodes["relu_squeeze"] == ("new",)
