"""3D, mixed, factorised and channel-separated ResNets beyond their published configurations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from stspec.diagnostics import SpecError
from stspec.module import build_module
from stspec.network import Network, load
from tests.networks import clip, meta_module, run, shapes
from tests.zoo.sampling import copies, small, trains

REFUSED = {"impossible-shape", "bad-pooling", "bad-conversion"}
"""What a combination that cannot be is answered with."""

TABLE = {
    # Tran et al., CVPR 2018, table 2: parameters in millions without those of norms.
    "r2d": 11.4,
    "fr2d": 11.4,
    "r3d": 33.4,
    "mc2": 11.4,
    "mc3": 11.7,
    "mc4": 12.7,
    "mc5": 16.9,
    "rmc2": 33.3,
    "rmc3": 33.0,
    "rmc4": 32.0,
    "rmc5": 27.9,
    "r2plus1d": 33.3,
}
NARROW = {f"layer{i}": {"width": 4 * i, "repeat": 2} for i in range(1, 5)}
POLICIES = (
    *("r3d", "mc2", "mc3", "mc4", "mc5", "rmc2", "rmc3", "rmc4", "rmc5"),
    *("r2d", "fr2d", "r2plus1d", "resnet3d", "resnet3d_2plus1"),
)


def factorised(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Draw fields of a factorising rule."""
    path = "policy.spatial.factorise"
    return [
        (f"{path}.width", draw(st.sampled_from(["out", "match_conv", "match_block", 5]))),
        (f"{path}.first", draw(st.sampled_from(["spatial", "temporal"]))),
        (f"{path}.kernel_t", draw(st.integers(1, 4))),
        (f"{path}.bias", draw(st.booleans())),
        (f"{path}.inner_eps", draw(st.sampled_from([None, 0.01]))),
    ]


@st.composite
def overrides(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Draw a small network: a residual block with any of its options, under any policy."""
    kind = draw(
        st.sampled_from(["basic", "bottleneck", "preactivation_basic", "preactivation_bottleneck"])
    )
    block: dict[str, Any] = {
        "block": kind,
        "shortcut": draw(st.sampled_from(["projection", "pooled_projection", "zero_padded"])),
        "shortcut_pool": draw(st.sampled_from([None, 2, 3])),
    }
    if kind.endswith("bottleneck"):
        block["stride_on"] = draw(st.sampled_from(["conv1", "conv2"]))
        block["expansion"] = draw(st.integers(1, 3))
        block["groups"] = draw(st.sampled_from([1, 2, "depthwise"]))
    if kind.startswith("pre"):
        block["shortcut_reads"] = draw(st.sampled_from(["input", "activated"]))
        block["shortcut_norm"] = draw(st.booleans())
    layers = {name: {**own, **block} for name, own in NARROW.items()}
    stem = {"width": 8, "kernel": draw(st.sampled_from([3, 4, 7]))}
    pool = {"maxpool": None} if draw(st.booleans()) else {}
    policies = POLICIES + (("ir_csn", "ip_csn") if "bottleneck" in kind else ())
    policy = draw(st.sampled_from(policies))
    backbone = {"extends": "resnet18", "layers": {**layers, "conv1": stem, **pool}}
    more = factorised(draw) if policy in ("r2plus1d", "resnet3d_2plus1") else []
    return [
        ("backbone", backbone),
        ("policy", policy),
        ("clip.frames", draw(st.integers(1, 9))),
        ("clip.size", [draw(st.integers(33, 50)), draw(st.integers(33, 50))]),
        ("clip.channels", draw(st.integers(1, 4))),
        *more,
    ]


@settings(max_examples=20, deadline=None)
@given(overrides())
def test_what_is_predicted_is_what_runs(own: list[tuple[str, Any]]) -> None:
    try:
        network = load("r3d", [("classes", 5), *own])
    except SpecError as error:
        assert {d.code for d in error.diagnostics} <= REFUSED, error
        return
    module = meta_module(network)
    assert list(network.state.items()) == list(shapes(module).items())
    assert network.facts.params == sum(p.numel() for p in module.parameters())
    with FlopCounterMode(display=False) as counter:
        out = run(module, clip(network, batch=2, device="meta"))
    assert out.shape == (2, 5)
    assert counter.get_total_flops() == 2 * 2 * sum(network.facts.macs().values())


@pytest.mark.parametrize("spec", TABLE)
def test_the_table_of_the_study(spec: str) -> None:
    network = load(f"{spec}_18_8f")
    norms = sum(
        param.numel
        for fact in network.facts.operators()
        for param in fact.params
        if fact.node.body.__class__.__name__ == "BatchNorm" and param.role != "buffer"
    )
    assert (network.facts.params - norms) / 1e6 == pytest.approx(TABLE[spec], abs=0.06)


@pytest.mark.parametrize("frames", [1, 5, 8, 16])
def test_a_stem_over_all_frames_folds_them_into_one(frames: int) -> None:
    network = load("r2d", [("clip.frames", frames), ("clip.size", 64)])
    assert network.state["conv1.weight"] == (64, 3, frames, 7, 7)
    assert network.facts["layer4"].output.frames == 1


def test_all_frames_are_those_that_arrive() -> None:
    conv = {"op": "conv2d", "width": 8, "kernel": 3}
    layers = {"conv1": {**conv, "stage": 1}, "conv2": {**conv, "stage": 2}, "conv3": conv}
    everything = {"to": "conv3d", "kernel_t": "all"}
    policy = {
        "spatial": {
            "stem": {"where": {"stages": 1}, "to": "conv3d", "kernel_t": 3, "stride_t": 2},
            "rest": {"where": {"slot": ["conv2", "conv3"]}, **everything},
        }
    }
    clips = {"frames": 7, "size": 32}
    network = load({"stspec": 1, "backbone": {"layers": layers}, "policy": policy, "clip": clips})
    # The first sees the four frames that the stem leaves, the second what the first gives.
    assert [network.state[f"conv{i}.weight"][2] for i in (2, 3)] == [4, 1]


@pytest.mark.parametrize(
    "spec",
    [
        *("r3d_18", "mc3_18", "rmc4_18", "r2d_18", "r2plus1d_18", "r2plus1d_18_torchvision"),
        *("ir_csn_50", "ip_csn_50", "r2plus1d_50_pytorchvideo"),
        *("resnet3d_10", "resnet3d_18_a", "resnet3d_preact_18", "resnet3d_2plus1_18"),
        *("resnet3d_resnext_50", "resnet3d_densenet_121"),
    ],
)
def test_trains_and_copies(spec: str) -> None:
    head = [("head.window", None)] if "pytorchvideo" in spec else []
    network = small(spec, *head, frames=17 if "dense" in spec else 8, size=33)
    module = build_module(network)
    trains(network, module)
    copies(network, module)


@pytest.mark.parametrize("spec", ["r2plus1d_18", "ip_csn_50", "resnet3d_preact_18"])
def test_the_graph_is_whole(spec: str) -> None:
    network = small(spec, frames=8, size=33)
    module = build_module(network).eval()
    x = clip(network)
    with torch.no_grad():
        compiled = torch.compile(module, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(x), module(x))


def test_dense_networks_need_frames_to_pool() -> None:
    with pytest.raises(SpecError, match="T = 1"):
        load("resnet3d_densenet_121", [("clip.frames", 8)])


def test_a_factor_on_widths_cuts_fractions_off() -> None:
    # int(planes * widen_factor) in Hara's code: 19.2, 38.4, 76.8, 153.6.
    network = load("resnet3d_18", [("backbone.width", 0.3)])
    widths = [network.state[f"layer{i}.0.conv1.weight"][0] for i in (1, 2, 3, 4)]
    assert widths == [19, 38, 76, 153]


def test_a_width_for_every_convolution_is_that_of_its_own() -> None:
    network: Network = load("r2plus1d_34_mmaction2")
    widths = [network.state[f"layer{i}.0.downsample.0.weight"][0] for i in (2, 3, 4)]
    assert widths == [54, 109, 219]
