"""X3D beyond its published configurations: any width, depth, size, any part left out."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from stspec.diagnostics import SpecError
from stspec.diff import diff
from stspec.module import build_module
from stspec.network import Network, load
from stspec.ops.squeeze import SqueezeExcite
from tests.networks import clip, meta_module, run, seeded, shapes

BASIS = {"layer1": (12, 1), "layer2": (24, 2), "layer3": (48, 5), "layer4": (96, 3)}
"""Widths and blocks from which the paper expands."""


@st.composite
def networks(draw: st.DrawFn) -> Network:
    block = "backbone.layers.layer3"
    own: list[tuple[str, Any]] = [
        ("classes", 5),
        ("clip.frames", draw(st.integers(1, 9))),
        ("clip.size", [draw(st.integers(32, 70)), draw(st.integers(32, 70))]),
        ("backbone.width", draw(st.sampled_from([0.5, 1.0, 1.3, 2.9]))),
        ("backbone.divisor", draw(st.sampled_from([1, 4, 8]))),
        ("backbone.depth", draw(st.sampled_from([0.4, 1.0, 1.7]))),
        (f"{block}.expansion", draw(st.sampled_from([0.5, 2.25, 3.0]))),
        (f"{block}.inner_activation", draw(st.sampled_from(["relu", "relu6", "swish"]))),
        (f"{block}.shortcut_norm", draw(st.sampled_from(["always", "widening"]))),
        ("policy.temporal.conv1_t.kernel_t", draw(st.integers(1, 6))),
        ("policy.spatial.se.at.blocks", {"every": draw(st.integers(1, 2))}),
        ("policy.spatial.se.ratio", draw(st.sampled_from([0.0625, 0.25, 1.0]))),
        ("head.hidden", draw(st.sampled_from([None, 7]))),
        ("head.hidden_bias", draw(st.booleans())),
        ("head.hidden_norm", draw(st.booleans())),
        ("head.window", draw(st.sampled_from([None, 1]))),
    ]
    return load("x3d_m", own)


@settings(max_examples=10, deadline=None)
@given(networks())
def test_what_is_predicted_is_what_runs(network: Network) -> None:
    module = meta_module(network)
    assert list(network.state.items()) == list(shapes(module).items())
    assert network.facts.params == sum(p.numel() for p in module.parameters())
    with FlopCounterMode(display=False) as counter:
        out = run(module, clip(network, batch=2, device="meta"))
    assert out.shape == (2, 5)
    assert counter.get_total_flops() == 2 * 2 * sum(network.facts.macs().values())


@pytest.mark.parametrize(
    ("name", "widths", "blocks"),
    [
        ("x3d_xs", [24, 48, 96, 192], [3, 5, 11, 7]),
        ("x3d_l", [24, 48, 96, 192], [5, 10, 25, 15]),
        ("x3d_xl", [32, 72, 136, 280], [5, 10, 25, 15]),
    ],
)
def test_widths_and_depths_are_the_published_ones(
    name: str, widths: list[int], blocks: list[int]
) -> None:
    network = load(name)
    for layer, width, count in zip(BASIS, widths, blocks, strict=True):
        assert network.facts[layer].output.channels == width
        found = {key.split(".")[1] for key in network.state if key.startswith(f"{layer}.")}
        assert len(found) == count
        inner = math.floor(2.25 * width)
        assert network.state[f"{layer}.0.conv2.weight"] == (inner, 1, 3, 3, 3)
    assert network.facts["conv5"].output.channels == math.floor(2.25 * widths[-1])


def test_a_width_of_one_is_rounded_too() -> None:
    network = load("x3d_m", ["backbone.width=1", "backbone.depth=1"])
    widths = [network.facts[layer].output.channels for layer in BASIS]
    assert widths == [16, 24, 48, 96]
    assert network.facts["conv1"].output.channels == 16


def test_squeeze_excitation_in_every_second_block() -> None:
    network = load("x3d_s")
    places = [f.path for f in network.facts.operators() if isinstance(f.node.body, SqueezeExcite)]
    counts = dict(zip(BASIS, (3, 5, 11, 7), strict=True))
    wanted = [f"{layer}.{i}.se" for layer, count in counts.items() for i in range(0, count, 2)]
    assert places == wanted
    for path in places:
        owner = network.facts[path.removesuffix(".se")].node.body
        nodes = {node.name: node for node in owner.nodes}  # type: ignore[union-attr]
        assert nodes["se"].inputs == ("bn2",) and nodes["act2"].inputs == ("se",)


def test_nothing_stands_between_the_two_convolutions_of_the_stem() -> None:
    graph = load("x3d_s").graph
    assert graph.node("conv1_t").inputs == ("conv1",)
    assert graph.node("bn1").inputs == ("conv1_t",)


def test_the_code_bases_differ_by_a_norm() -> None:
    ours, theirs = load("x3d_s"), load("x3d:s_pytorchvideo")
    assert ours.facts.params - theirs.facts.params == 48
    assert set(ours.state) - set(theirs.state) == {
        f"layer1.0.downsample.1.{leaf}"
        for leaf in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }


SMALL = ["backbone.width=0.5", "backbone.depth=0.4", "classes=5", "clip.size=64", "clip.frames=3"]


def test_a_training_step() -> None:
    network = load("x3d_m", SMALL)
    torch.manual_seed(0)
    module = build_module(network).train()
    module(clip(network, batch=3)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


def test_clips_of_a_batch_are_apart() -> None:
    network = load("x3d_m", SMALL)
    module = seeded(network).double()
    x = clip(network, batch=3, dtype=torch.float64)
    torch.testing.assert_close(run(module, x[1:2]), run(module, x)[1:2])


def test_the_image_network_takes_other_policies() -> None:
    spec = {"stspec": 1, "backbone": "x3d", "clip": {"frames": 8, "size": 64}, "classes": 5}
    for policy in ("tsn", "tsm", "tam", "c2d"):
        network = load({**spec, "policy": policy})
        assert run(meta_module(network), clip(network, device="meta")).shape == (2, 5)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (["backbone.depth=60"], "layers and blocks"),
        (["backbone.layers.conv5.width=9"], "exclude each other"),
        (["backbone.width=0"], "greater than 0"),
        (["policy.spatial.se.at.point=behind"], "norm"),
        (["head.window=[16, 9, 7]"], "H = 7 but its kernel needs 9"),
    ],
)
def test_what_cannot_be_is_refused(own: list[str], said: str) -> None:
    with pytest.raises(SpecError) as refused:
        load("x3d_m", [*own, *(["backbone.layers.layer3.repeat=40"] * ("depth" in own[0]))])
    assert said in str(refused.value)


def test_a_diff_says_it_in_the_fields_words() -> None:
    facets = {facet.title: facet for facet in diff(load("x3d_m"), load("x3d_xl")).policy}
    assert facets["backbone"].b == "X2D (width x 2.9, depth x 5)"
    assert "squeeze-excitation" in facets["temporal op"].a
    assert facets["spatial op"].same
