"""Streams of colour, of optical flow and of differences; VGG with and without norm."""

from __future__ import annotations

import pytest
import torch

from stspec.module import build_module
from stspec.module.weights import load_weights
from stspec.network import load
from stspec.reference import fill_state_dict
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
        ("tsn_resnet50_diff", 15),
    ],
)
def test_stems_read_what_the_stream_has(spec: str, channels: int) -> None:
    network = load(spec, [("clip.size", 64), ("clip.frames", 6)])
    first = next(iter(network.state))
    assert network.state[first][1] == channels


def test_differences_are_those_of_neighbouring_frames() -> None:
    network = sampling.small("tsn_resnet50_diff", frames=12)
    module = sampling.as_predicted(network)
    seen: list[torch.Tensor] = []
    stem = module.get_submodule("conv1")
    stem.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    clip = sampling.clip_of(network, 1)
    with torch.no_grad():
        module(clip)
    groups = clip[0].split(6, 1)
    wanted = [torch.cat([group[:, i + 1] - group[:, i] for i in range(5)]) for group in groups]
    torch.testing.assert_close(seen[0], torch.stack(wanted))


@pytest.mark.parametrize("backbone", ["vgg16", "resnet18"])
def test_both_streams_are_the_streams_apart(backbone: str) -> None:
    """The fused network's scores are the mean of those of its streams, run alone."""
    sets = [("head.dropout", 0.0)]
    hidden = SMALL_HIDDEN if backbone == "vgg16" else []
    beside = [(f"pathways.flow.{path}", value) for path, value in hidden]
    fused = sampling.small(
        f"two_stream_fused_{backbone}", *sets, *hidden, *beside, frames=2, size=64
    )
    module = sampling.as_predicted(fused)
    sampling.costs_as_predicted(fused)
    sampling.trains(fused, module)
    clip = sampling.clip_of(fused)
    scores = []
    for spec, prefix, channels in (("rgb", "", slice(0, 3)), ("flow", "flow_", slice(3, 23))):
        alone = sampling.small(f"two_stream_{spec}_{backbone}", *sets, *hidden, frames=2, size=64)
        stream = build_module(alone).eval()
        own = {key: module.state_dict()[prefix + key] for key in stream.state_dict()}
        stream.load_state_dict(own)
        with torch.no_grad():
            scores.append(stream(clip[:, channels]))
    with torch.no_grad():
        torch.testing.assert_close(module.eval()(clip), (scores[0] + scores[1]) / 2)


def test_one_image_network_fills_both_streams() -> None:
    network = sampling.small("two_stream_fused_resnet18", frames=1, size=64)
    public = fill_state_dict(dict(sampling.small("tsn_resnet18", classes=7).state))
    module = build_module(network)
    tensors = {key: torch.from_numpy(value) for key, value in public.items()}
    report = load_weights(network, module, tensors, image=True)
    own = module.state_dict()
    stem = torch.from_numpy(public["conv1.weight"]).mean(1, keepdim=True)
    torch.testing.assert_close(own["flow_conv1.weight"], stem.expand(-1, 20, -1, -1))
    for key in ("layer1.0.conv1.weight", "layer4.1.bn2.running_var"):
        torch.testing.assert_close(own[f"flow_{key}"], own[key])
    classifiers = {f"{fc}.{leaf}" for fc in ("fc", "flow_fc") for leaf in ("weight", "bias")}
    assert {entry.key for entry in report.filled} == classifiers
