"""Channels between a spatial and a temporal convolution: the rules of R(2+1)D's public codes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from stspec.diagnostics import SpecError
from stspec.network import Network
from stspec.ops.conv import Conv2d
from tests.ir.graphs import convert, names, on, op, reads

MIDDLE = {
    # torchvision's video ResNets: one number for both convolutions of a block.
    "match_block": {"layer2.0.conv1": 230, "layer2.0.conv2": 230, "layer2.1.conv1": 288},
    # VMZ and the paper: every convolution by itself.
    "match_conv": {"layer2.0.conv1": 230, "layer2.0.conv2": 288, "layer2.1.conv1": 288},
    "out": {"layer2.0.conv1": 128, "layer2.0.conv2": 128},
    17: {"layer2.0.conv1": 17, "layer2.0.conv2": 17},
}


def widths(network: Network, path: str) -> tuple[int | None, int | None]:
    """Return the channels that a spatial convolution and its temporal one give."""
    spatial, temporal = op(network, path), op(network, f"{path}_t")
    assert isinstance(spatial, Conv2d) and isinstance(temporal, Conv2d)
    return spatial.width, temporal.width


@pytest.mark.parametrize("rule", MIDDLE)
def test_widths_of_public_codes(rule: Any) -> None:
    network = convert("resnet18", {"pointwise": False}, to="conv2plus1d", width=rule)
    for path, middle in MIDDLE[rule].items():
        assert widths(network, path) == (middle, 128)


@pytest.mark.parametrize(("frames", "middle"), [(3, 83), (7, 110)])
def test_a_stem_goes_by_what_it_reads_itself(frames: int, middle: int) -> None:
    for rule in ("match_conv", "match_block"):
        where = {"role": "stem"}
        network = convert("resnet18", where, to="conv2plus1d", kernel_t=frames, width=rule)
        assert widths(network, "conv1") == (middle, 64)


def test_a_bottleneck_goes_by_what_enters_it() -> None:
    # torchvision's R(2+1)D with bottlenecks: 256 channels arrive, its 3x3 has 64.
    for rule, middle in (("match_block", 177), ("match_conv", 144)):
        network = convert("resnet50", {"slot": "conv2"}, to="conv2plus1d", width=rule)
        assert widths(network, "layer1.1.conv2") == (middle, 64)


def test_weights_are_as_many_as_the_3d_convolutions_at_most() -> None:
    whole = convert("resnet34", {"pointwise": False}, to="conv3d", kernel_t=3).facts
    parts = convert("resnet34", {"pointwise": False}, to="conv2plus1d", width="match_conv").facts
    for fact in whole.operators():
        if not isinstance(fact.node.body, Conv2d) or fact.node.body.kernel == 1:
            continue
        most = fact.params[0].numel
        one = most // (3 * fact.node.body.kernel**2) // fact.params[0].shape[0]
        spent = parts[fact.path].params[0].numel + parts[f"{fact.path}_t"].params[0].numel
        step = one * fact.node.body.kernel**2 + 3 * fact.params[0].shape[0]
        assert most - step < spent <= most


def test_groups_divide_the_inner_width() -> None:
    network = convert(
        {"extends": "resnet50", "layers": {"layer1": {"groups": 32}}},
        {"slot": "conv2", "stages": 2},
        to="conv2plus1d",
        width="match_conv",
    )
    middle, out = widths(network, "layer1.0.conv2")
    assert middle is not None and middle % 32 == 0 and out == 64


def test_depthwise_kernels_keep_their_channels() -> None:
    with pytest.raises(SpecError, match="width: out"):
        convert("mobilenetv2", {"depthwise": True}, to="conv2plus1d", width="match_conv")


def test_norms_in_front_stand_in_front_of_both() -> None:
    layers = {f"layer{i}": {"block": "preactivation_basic"} for i in range(1, 5)}
    backbone = {"extends": "resnet18", "layers": layers}
    rule = {"where": {"slot": "conv2"}, "to": "conv2plus1d"}
    network = on(backbone, {"spatial": {"wide": rule}})
    made = ["conv2", "bn2_t", "conv2_relu", "conv2_t"]
    front = ["bn1", "relu1", "conv1", "bn2", "relu2"]
    assert names(network, "layer1.0") == [*front, *made, "add"]
    for before, after in itertools.pairwise(made):
        assert reads(network, f"layer1.0.{after}") == (before,)
