"""Stacks beside the trunk: what they see, where they start, what passes between them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import stspec
from stspec.diagnostics import SpecError
from stspec.network import Network, load
from stspec.ops.base import Shape, ShapeError
from stspec.ops.sample import ChannelSlice, FrameSample
from stspec.ops.squeeze import rounded

POINTWISE: dict[str, Any] = {"op": "conv3d", "width": 4, "kernel": 1}


def two_stacks(**changes: Any) -> dict[str, Any]:
    """A trunk and a pathway of three layers each."""
    layers = {name: dict(POINTWISE) for name in ("a", "b", "c")}
    spec: dict[str, Any] = {
        "name": "two",
        "backbone": {"layers": layers},
        "policy": {"inflate": "repeat"},
        "clip": {"frames": 8, "size": 6},
        "pathways": {"side": {"backbone": {"layers": layers}}},
        "head": {"read": ["trunk", "side"], "classify": "per_clip", "dropout": 0.0},
        "classes": 5,
    }
    return {**spec, **changes}


def run(network: Network, clip: Tensor) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    module = stspec.build(network).eval().double()
    return module, module(clip.double())


def weights(module: nn.Module, name: str) -> Tensor:
    found: Tensor = module.state_dict()[f"{name}.weight"]
    return found


def clip_of(network: Network) -> Tensor:
    return torch.randn(2, *network.facts.input.sizes, dtype=torch.float64)


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 20))
def test_frames_are_those_that_public_codes_take(length: int, every: int, start: int) -> None:
    strided = FrameSample(every=every, start=start)
    assert strided.frames(length) == torch.arange(length)[start::every].tolist()
    count = length // every
    spaced = torch.linspace(0, length - 1, count).long().tolist()
    assert FrameSample(every=every, rule="linspace").frames(length) == spaced
    if count:
        numbers = torch.arange(length, dtype=torch.float32)[None, None]
        nearest = F.interpolate(numbers, scale_factor=1 / every, mode="nearest")
        if nearest.shape[-1] == count:  # 1 / every is not exact: 49 * (1 / 49) is below 1
            taken = FrameSample(every=every, rule="nearest").frames(length)
            assert taken == [i * every for i in range(count)]


@pytest.mark.parametrize("rule", ["stride", "linspace", "nearest"])
@pytest.mark.parametrize(("frames", "every"), [(8, 2), (9, 4), (7, 7), (5, 1), (3, 2), (55, 3)])
def test_a_sample_gives_the_frames_it_names(rule: Any, frames: int, every: int) -> None:
    spec = two_stacks(sample={"every": every, "rule": rule}, clip={"frames": frames, "size": 6})
    network = load(spec)
    module, _ = run(network, clip_of(network))
    clip = clip_of(network)
    seen: list[Tensor] = []
    module.get_submodule("a").register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    module(clip)
    taken = FrameSample(every=every, rule=rule).frames(frames)
    torch.testing.assert_close(seen[0], clip[:, :, taken])


def test_no_frame_left_is_refused() -> None:
    with pytest.raises(ShapeError, match="takes one of 4"):
        FrameSample(every=4, rule="nearest").infer([Shape(3, 3, 4, 4)])
    with pytest.raises(SpecError) as caught:
        load(two_stacks(sample={"every": 9, "rule": "linspace"}))
    assert "takes one of 9" in caught.value.diagnostics[0].message


def test_channels_are_cut_out() -> None:
    network = load(
        two_stacks(
            clip={"frames": 4, "size": 6, "channels": 13},
            sample={"channels": [0, 3]},
            pathways={
                "side": {
                    "backbone": {"layers": {"a": dict(POINTWISE)}},
                    "sample": {"channels": [3, 13]},
                }
            },
        )
    )
    assert network.state["a.weight"][1] == 3
    assert network.state["side_a.weight"][1] == 10
    _, scores = run(network, clip_of(network))
    assert scores.shape == (2, 5)
    with pytest.raises(ShapeError, match="receives 3 channels"):
        ChannelSlice(start=2, stop=5).infer([Shape(3, 4, 4, 4)])


def test_a_policy_leaves_other_pathways_alone() -> None:
    spec = {
        "name": "two",
        "backbone": "resnet18",
        "policy": "tsn",
        "clip": {"frames": 4, "size": 32},
        "pathways": {"side": {"backbone": "resnet18", "policy": "i3d"}},
        "head": {"read": ["trunk", "side"], "classify": "per_clip"},
    }
    network = load(spec)
    assert network.state["layer1.0.conv1.weight"] == (64, 64, 3, 3)
    assert network.state["side_layer1.0.conv1.weight"] == (64, 64, 3, 3, 3)
    assert network.state["fc.weight"] == (400, 1024)
    other = load(
        spec, ["policy=i3d", "pathways.side.policy=tsn", "pathways.side.backbone=resnet34"]
    )
    assert other.state["layer1.0.conv1.weight"] == (64, 64, 3, 3, 3)
    assert other.state["side_layer1.2.conv1.weight"] == (64, 64, 3, 3)


def test_time_is_pooled_in_the_pathway_that_asks_for_it() -> None:
    pooling = {"op": "max", "kernel": 3, "stride": 2, "beside": [3, 4]}
    side = {"backbone": "resnet18", "policy": {"extends": "tsn", "pooling": pooling}}
    spec = {
        "name": "two",
        "backbone": "resnet18",
        "policy": "tsn",
        "clip": {"frames": 8, "size": 32},
        "pathways": {"side": side},
        "head": {"read": ["trunk", "side"], "classify": "per_clip"},
    }
    facts = load(spec).facts
    assert facts["layer4"].output.frames == 8
    assert facts["side_layer4"].output.frames == 2


@pytest.mark.parametrize("join", ["concat", "add"])
def test_a_lateral_joins_what_its_layers_make_of_the_source(join: str) -> None:
    through = {"p": {**POINTWISE, "bias": True}}
    lateral = {"from": "side", "after": ["a", "b"], "through": through, "join": join}
    network = load(two_stacks(laterals={"edge": lateral}))
    clip = clip_of(network)
    module, scores = run(network, clip)

    def conv(x: Tensor, name: str) -> Tensor:
        bias = module.state_dict().get(f"{name}.bias")
        return F.conv3d(x, weights(module, name), bias)

    x = side = clip
    for number, layer in enumerate("abc", 1):
        x, side = conv(x, layer), conv(side, f"side_{layer}")
        if layer != "c":
            given_ = conv(side, f"edge{number}")
            x = torch.cat([x, given_], 1) if join == "concat" else x + given_
    features = torch.cat([x.mean((2, 3, 4)), side.mean((2, 3, 4))], 1)
    wanted = features @ weights(module, "fc").T + module.state_dict()["fc.bias"]
    torch.testing.assert_close(scores, wanted)


def test_pathways_can_read_each_other_behind_the_same_layer() -> None:
    there = {"from": "side", "after": "a", "join": "add"}
    back = {"from": "trunk", "into": "side", "after": "a", "join": "add"}
    network = load(two_stacks(laterals={"there": there, "back": back}))
    clip = clip_of(network)
    module, scores = run(network, clip)
    one, other = (F.conv3d(clip, weights(module, name)) for name in ("a", "side_a"))
    ends = []
    for prefix in ("", "side_"):
        x = one + other
        for layer in "bc":
            x = F.conv3d(x, weights(module, prefix + layer))
        ends.append(x.mean((2, 3, 4)))
    wanted = torch.cat(ends, 1) @ weights(module, "fc").T + module.state_dict()["fc.bias"]
    torch.testing.assert_close(scores, wanted)


def test_a_lateral_may_read_an_earlier_layer_but_no_later_one() -> None:
    early = {"from": "side", "after": ["c"], "reads": "a", "join": "concat"}
    assert load(two_stacks(laterals={"edge": early})).facts["edge1_join"].output.channels == 8
    ahead = {"from": "side", "after": ["a"], "reads": "c"}
    back = {"from": "trunk", "into": "side", "after": ["b"], "reads": "b"}
    with pytest.raises(SpecError) as caught:
        load(two_stacks(laterals={"ahead": ahead, "back": back}))
    assert caught.value.diagnostics[0].code == "circular-pathways"


def test_the_rate_is_the_stride_of_a_temporal_lateral() -> None:
    lateral = {"from": "side", "after": "a", "through": {"t": {"block": "temporal_lateral"}}}
    spec = two_stacks(sample={"every": 4}, laterals={"edge": lateral})
    assert load(spec).facts["edge1"].output == Shape(8, 2, 6, 6)


def test_a_pathway_starts_inside_a_block() -> None:
    side = {"tap": "inception3c.branch3.0", "backbone": {"layers": {"a": dict(POINTWISE)}}}
    spec = {
        "name": "two",
        "backbone": "bninception",
        "policy": "tsn",
        "clip": {"frames": 2, "size": 64},
        "pathways": {"side": side},
        "head": {"read": ["trunk", "side"], "classify": "per_clip"},
    }
    network = load(spec)
    plain = load({**spec, "pathways": {}, "head": {}})
    assert network.facts["inception3c"].output == plain.facts["inception3c"].output
    assert network.state["side_a.weight"][:2] == (4, 64)
    clip = clip_of(network)
    module, _ = run(network, clip)
    seen: dict[str, Tensor] = {}
    module.get_submodule("inception3c_branch3_0").register_forward_hook(
        lambda _, __, out: seen.update(given=out)
    )
    module.get_submodule("side_a").register_forward_pre_hook(lambda _, x: seen.update(taken=x[0]))
    module(clip)
    folded = seen["taken"].transpose(1, 2).flatten(0, 1)
    torch.testing.assert_close(folded, seen["given"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"laterals": {"edge": {"from": "sidf", "after": "a"}}}, "unknown-pathway"),
        ({"laterals": {"edge": {"from": "side", "after": "d"}}}, "unknown-layer"),
        ({"laterals": {"edge": {"from": "side", "after": "a", "reads": "x"}}}, "unknown-layer"),
        ({"laterals": {"edge": {"from": "trunk", "after": "a"}}}, "bad-value"),
        ({"pathways": {"trunk": {"backbone": "resnet18"}}, "head": {}}, "bad-name"),
        ({"pathways": {"side": {"backbone": "resnet18", "tap": "z"}}}, "unknown-layer"),
        ({"pathways": {"side": {"backbone": "resnet18", "tap": "a.b"}}}, "unknown-layer"),
        ({"head": {"read": ["trunk", "sidd"]}}, "unknown-pathway"),
        ({"head": {"kind": "convolution", "read": ["trunk", "side"]}}, "bad-value"),
        ({"sample": {"channels": [2, 1]}}, "bad-value"),
        ({"sample": {"start": 1, "rule": "linspace"}}, "bad-value"),
    ],
)
def test_mistakes_are_told(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(two_stacks(**changes))
    assert code in {diagnostic.code for diagnostic in caught.value.diagnostics}


@given(st.integers(1, 4096), st.floats(0.05, 4), st.sampled_from([1, 4, 8, 16]))
def test_scaled_widths_follow_the_rule_of_width_multipliers(
    width: int, factor: float, divisor: int
) -> None:
    scaled = rounded(width * factor, divisor)
    assert scaled % divisor == 0
    assert scaled >= 0.9 * width * factor
    assert scaled <= width * factor + 1.5 * divisor


@settings(max_examples=8, deadline=None)
@given(
    st.sampled_from(["resnet18", "inceptionv1", "squeezenet", "mobilenetv2"]),
    st.sampled_from([0.125, 0.5, 1.5]),
    st.integers(1, 5),
)
def test_backbones_of_any_width_run_as_predicted(name: str, factor: float, frames: int) -> None:
    spec = {
        "name": "scaled",
        "backbone": {"extends": name, "width": factor},
        "policy": "tsn",
        "clip": {"frames": frames, "size": 64},
    }
    network = load(spec)
    with torch.device("meta"):
        module = stspec.build(network)
        scores = module(torch.empty(1, 3, frames, 64, 64))
    assert scores.shape == (1, 400)
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == network.state
