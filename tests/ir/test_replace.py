"""A block in the place of a convolution: wiring, fields, slots, weights, words."""

from __future__ import annotations

import numpy as np
import pytest

import stspec
from stspec.diagnostics import SpecError
from stspec.diff import diff
from stspec.network import Network
from tests.ir.graphs import BACKBONES, assert_sound, names, on, op, outputs, plain, reads

CONV2 = {"slot": "conv2", "stages": 3}


@pytest.fixture(scope="module")
def network() -> Network:
    rule = {"where": CONV2, "to": "conv_unit"}
    return on("resnet50", {"spatial": {"wide": rule}})


def test_what_surrounds_the_convolution_stays(network: Network) -> None:
    block = "layer2.1"
    before = names(plain("resnet50"), block)
    assert names(network, block) == before
    for name in before:
        assert reads(network, f"{block}.{name}") == reads(plain("resnet50"), f"{block}.{name}")
    assert names(network, f"{block}.conv2") == ["conv", "bn", "relu"]


def test_fields_are_the_convolutions(network: Network) -> None:
    for index, stride in enumerate((2, 1, 1, 1)):
        inner = op(network, f"layer2.{index}.conv2.conv").model_dump()
        outer = op(plain("resnet50"), f"layer2.{index}.conv2").model_dump()
        assert {k: inner[k] for k in ("width", "kernel", "stride", "groups")} == {
            k: outer[k] for k in ("width", "kernel", "stride", "groups")
        }
        assert inner["stride"] == stride


def test_the_rules_own_fields_win() -> None:
    rule = {"where": CONV2, "to": "conv_unit", "kernel": {"each": [5, 1]}}
    network = on("resnet50", {"spatial": {"wide": rule}})
    kernels = [op(network, f"layer2.{i}.conv2.conv").model_dump()["kernel"] for i in range(4)]
    assert kernels == [5, 1, 5, 1]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_convolution_can_be_replaced(backbone: str) -> None:
    rule = {"where": {"op": "conv", "depthwise": False, "not": {"slot": "classifier"}}}
    network = on(backbone, {"spatial": {"wide": {**rule, "to": "conv_unit"}}})
    assert_sound(network.graph)
    assert network.facts.output == plain(backbone).facts.output


def test_a_place_behind_the_unit_is_where_it_was(network: Network) -> None:
    rules = {
        "spatial": {"wide": {"where": CONV2, "to": "conv_unit"}},
        "temporal": {"shift": {"insert": "shift", "at": CONV2}},
    }
    shifted = on("resnet50", rules)
    assert reads(shifted, "layer2.0.shift") == ("relu2",)
    raw = {**rules, "temporal": {"shift": {"insert": "shift", "at": {**CONV2, "point": "raw"}}}}
    assert reads(on("resnet50", raw), "layer2.0.shift") == ("conv2",)
    inner = {"insert": "shift", "at": {"slot": "conv2.conv", "point": "input"}}
    assert reads(on("resnet50", {**rules, "temporal": {"s": inner}}), "layer2.0.conv2.s") == ("x",)


def test_a_role_holds_inside() -> None:
    rules = {
        "stem": {"where": {"role": "stem"}, "to": "conv_unit"},
        "deep": {"where": {"role": "stem", "op": "conv"}, "to": "conv3d", "kernel_t": 3},
    }
    network = on("resnet50", {"spatial": rules})
    assert op(network, "conv1.conv").kind == "conv3d"
    assert outputs(network)["conv1"] == outputs(plain("resnet50"))["conv1"]


def test_time_is_pooled_behind_a_replaced_stem() -> None:
    rules = {"stem": {"where": {"role": "stem"}, "to": "conv_unit"}}
    network = on("resnet50", {"spatial": rules, "pooling": {"beside": [1]}})
    assert reads(network, "maxpool") == ("t_pool1",)
    assert reads(network, "t_pool1") == ("relu",)


def test_a_block_in_a_block_in_a_convolutions_place(network: Network) -> None:
    rules = {
        "outer": {"where": CONV2, "to": "conv_unit"},
        "inner": {"where": {"slot": "conv2.conv"}, "to": "conv_sequence"},
        "deep": {"where": {"slot": "conv2.conv.conv"}, "to": "conv3d", "kernel_t": 3},
    }
    nested = on("resnet50", {"spatial": rules})
    assert nested.image_keys["layer2.0.conv2.conv.0.weight"] == "layer2.0.conv2.weight"
    assert network.image_keys["layer2.0.conv2.conv.weight"] == "layer2.0.conv2.weight"
    assert len(network.image_keys) == 4


def test_the_core_takes_the_images_weights() -> None:
    where, center = {"slot": "conv2", "stages": 2, "blocks": 0}, {"inflate": "center"}
    rules = {
        "unit": {"where": where, "to": "conv_unit"},
        "wide": {"where": {"slot": "conv2.conv"}, "to": "conv3d", "kernel_t": 3} | center,
    }
    clip = {"frames": 4, "size": 32}
    spec = {"stspec": 1, "backbone": "resnet18", "clip": clip, "classes": 5}
    video = stspec.load({**spec, "policy": {"spatial": rules}})
    image = stspec.load({**spec, "policy": {}})
    source = stspec.build(image).state_dict()
    module = stspec.build(video)
    report = stspec.load_weights(video, module, source, image=True)
    there = source["layer1.0.conv2.weight"].numpy()
    here = module.state_dict()["layer1.0.conv2.conv.weight"].numpy()
    assert np.array_equal(here[:, :, 1], there) and not here[:, :, ::2].any()
    kept = {entry.key for entry in report.filled}
    assert {key for key in kept if "num_batches" not in key} == {
        f"layer1.0.conv2.bn.{leaf}" for leaf in ("weight", "bias", "running_mean", "running_var")
    }
    assert not report.left_out


def test_a_diff_says_what_stands_there() -> None:
    rule = {"where": {"slot": "conv2"}, "to": "conv_unit"}
    after = on("resnet18", {"spatial": {"unit": rule}})
    told = [group.text for group in diff(plain("resnet18"), after).groups]
    assert told == ["3x3 convolution becomes convolution unit"]
    back = [group.text for group in diff(after, plain("resnet18")).groups]
    assert back == ["convolution unit becomes 3x3 convolution"]


def test_a_policy_may_not_grow_without_bounds() -> None:
    rules = {f"t{i}": {"where": {"op": "conv"}, "to": "conv_unit"} for i in range(40)}
    with pytest.raises(SpecError, match="places"):
        on("resnet101", {"spatial": rules})
