"""Streams of colour, of optical flow and of differences; VGG with and without norm."""

from __future__ import annotations

import pytest

from stspec.network import load
from tests.zoo import sampling

SMALL_HIDDEN = [(f"backbone.layers.classifier.sequence.{i}.width", 16) for i in (0, 3)]


@pytest.mark.parametrize("spec", ["two_stream_rgb_vgg16", "two_stream_flow_vgg16", "tsn_vgg16_bn"])
@pytest.mark.parametrize("size", [32, [33, 70]])
def test_vgg_takes_any_size(spec: str, size: object) -> None:
    network = sampling.small(spec, *SMALL_HIDDEN, frames=2, size=size)
    module = sampling.as_predicted(network)
    sampling.costs_as_predicted(network)
    sampling.trains(network, module)
    sampling.copies(network, module)


@pytest.mark.parametrize("policy", ["tsm", "tam", "s3d", "i3d", "avg", "max"])
def test_policies_apply_to_vgg(policy: str) -> None:
    sets = [*SMALL_HIDDEN, ("policy", policy)]
    sampling.as_predicted(sampling.small("tsn_vgg16_bn", *sets, frames=2))


@pytest.mark.parametrize(
    ("spec", "channels"),
    [
        ("two_stream_rgb_resnet18", 3),
        ("two_stream_flow_resnet18", 20),
        ("tsn_bninception_flow", 10),
        ("tsn_bninception_diff", 15),
    ],
)
def test_stems_read_what_the_stream_has(spec: str, channels: int) -> None:
    network = load(spec, [("clip.size", 64), ("clip.frames", 1)])
    assert network.facts.input.channels == channels
    first = next(iter(network.state))
    assert network.state[first][1] == channels
