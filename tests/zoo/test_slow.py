"""Slow, C2D and I3D on 1x1 convolutions, beyond their published configurations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from stspec.diagnostics import SpecError
from stspec.diff import diff
from stspec.module import build_module
from stspec.network import Network, load
from stspec.ops.conv import Conv2d
from tests.networks import clip, meta_module, on, run, seeded, shapes

POLICIES = ("slow", "c2d", "i3d_pointwise", "i3d_pointwise_strided")
NLN = {"insert": "non_local", "at": {"role": "block_output", "stages": [3, 4]}}


@st.composite
def networks(draw: st.DrawFn) -> Network:
    policy = draw(st.sampled_from(POLICIES))
    backbone = draw(st.sampled_from(["resnet50", "resnet101"]))
    frames = draw(st.integers(5, 12))
    size = [draw(st.integers(33, 90)), draw(st.integers(33, 90))]
    spec = on(backbone, policy, frames=frames, size=size, channels=draw(st.sampled_from([1, 3])))
    spec["head"] = {"kind": "window", "window": draw(st.none() | st.integers(1, 3))}
    spec["head"]["hidden"] = draw(st.none() | st.just(6))
    spec["head"]["probabilities"] = draw(st.sampled_from(["none", "softmax", "sigmoid"]))
    own: list[tuple[str, Any]] = []
    if draw(st.booleans()):
        modes = ["embedded_gaussian", "gaussian", "dot_product", "concatenation"]
        flags = ("sub_sample", "sub_sample_input")
        options: dict[str, Any] = {name: draw(st.booleans()) for name in flags}
        options |= {name: draw(st.booleans()) for name in ("scale", "out_bias", "norm")}
        options |= {"sub_sample_kernel": draw(st.integers(1, 3))}
        # Behind a stem and a pool that stride in time, one frame may be left.
        most = 1 if policy.endswith("strided") else 2
        options |= {"sub_sample_kernel_t": draw(st.integers(1, most))}
        rule = {**NLN, **options, "mode": draw(st.sampled_from(modes))}
        own.append(("policy.temporal", {"nl": rule}))
    if policy == "slow":
        kernels = draw(st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=4))
        own.append(("policy.spatial.wide.kernel_t", {"each": kernels}))
    return load(spec, own)


@settings(max_examples=5, deadline=None)
@given(networks())
def test_what_is_predicted_is_what_runs(network: Network) -> None:
    module = meta_module(network, canonical=True)
    assert list(network.state.items()) == list(shapes(module).items())
    assert network.facts.params == sum(p.numel() for p in module.parameters())
    with FlopCounterMode(display=False) as counter:
        out = run(module, clip(network, batch=3, device="meta"))
    assert out.shape == (3, 5)
    # Each clip of the batch is counted.
    assert counter.get_total_flops() == 2 * 3 * sum(network.facts.macs().values())


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("slow_r50_8x8", {1: [1], 2: [1, 1, 1], 3: [1] * 4, 4: [3] * 6, 5: [3] * 3}),
        ("i3d_r50_8x8", {1: [5], 2: [3] * 3, 3: [3, 1] * 2, 4: [3, 1] * 3, 5: [1, 3, 1]}),
        ("c2d_r50_8x8", {1: [1], 2: [1] * 3, 3: [1] * 4, 4: [1] * 6, 5: [1] * 3}),
    ],
)
def test_kernels_in_time_are_the_papers(name: str, stages: dict[int, list[int]]) -> None:
    found: dict[int, list[int]] = {1: [], 2: [], 3: [], 4: [], 5: []}
    for fact in load(name).facts.operators():
        op, path = fact.node.body, fact.path.split(".")
        if isinstance(op, Conv2d) and path[-1] == "conv1":
            stage = 1 if len(path) == 1 else int(path[0][-1]) + 1
            found[stage].append(op.time.kernel)
            assert op.time.padding == op.time.kernel // 2
    assert found == stages


def test_temporal_kernels_in_the_first_blocks_of_a_stage() -> None:
    """The fast pathway's R101-50-50: six of 23 blocks look along time."""
    network = load("slow_r101_8x8", [("policy.spatial.wide.where.blocks", [0, 1, 2, 3, 4, 5])])
    kernels = [
        network.facts[f"layer3.{i}.conv1"].node.body.window().time.kernel  # type: ignore[union-attr]
        for i in range(23)
    ]
    assert kernels == [3] * 6 + [1] * 17


SMALL = {
    "backbone.layers.layer1.repeat": 1,
    "backbone.layers.layer2.repeat": 2,
    "backbone.layers.layer3.repeat": 2,
    "backbone.layers.layer4.repeat": 1,
    "backbone.width": 0.125,
    "classes": 5,
}


@pytest.mark.parametrize("name", ["slow:nln_r50_4x16", "c2d_r50_8x8", "i3d_r50_8x8"])
def test_a_training_step(name: str) -> None:
    network = load(name, [*SMALL.items(), ("clip.size", 64)])
    torch.manual_seed(0)
    module = build_module(network).train()
    module(clip(network, batch=3)).square().mean().backward()
    without = [k for k, p in module.named_parameters() if p.grad is None]
    assert not without


@pytest.mark.parametrize("by", ["none", "softmax"])
def test_larger_clips_are_seen_through_windows_of_the_published_size(by: str) -> None:
    """Scores, or probabilities, of every window, then their mean."""
    own = [*SMALL.items(), ("clip.size", [256, 288]), ("head.probabilities", by)]
    network = load("slow_r50_8x8", own)
    module = seeded(network).double()
    layer4, fc = module.get_submodule("layer4"), module.get_submodule("fc")
    seen: list[Tensor] = []
    layer4.register_forward_hook(lambda *args: seen.append(args[2]))
    out = run(module, clip(network, dtype=torch.float64))
    features = F.avg_pool3d(seen[0], (8, 7, 7), 1)
    assert features.shape[2:] == (1, 2, 3)
    weight, bias = (p.detach() for p in fc.parameters())
    every = features.permute(0, 2, 3, 4, 1) @ weight.T + bias
    wanted = every if by == "none" else every.softmax(-1)
    torch.testing.assert_close(out, wanted.mean((1, 2, 3)))


def test_small_clips_fill_one_window() -> None:
    own = [*SMALL.items(), ("clip.size", 64)]
    whole = load("slow_r50_8x8", [*own, ("head.window", None)])
    assert load("slow_r50_8x8", own).facts["head_pool"].output.positions == 1
    assert whole.facts["head_pool"].output.positions == 1
    with pytest.raises(SpecError, match="H = 2 but its kernel needs 7"):
        load("slow_r50_8x8", [*own, ("head.window", [8, 7, 7])])


@pytest.mark.parametrize("mode", ["embedded_gaussian", "dot_product", "concatenation"])
def test_groups_of_a_non_local_block_are_clips_by_themselves(mode: str) -> None:
    def network(frames: int, groups: int) -> Network:
        layers = {"nl": {"block": "non_local", "mode": mode, "groups": groups, "scale": True}}
        return load({**on({"layers": layers}, {}, frames=frames, size=6, channels=4)} | NONE)

    module = seeded(network(6, 3)).double()
    alone = seeded(network(2, 1)).double()
    alone.load_state_dict(module.state_dict())
    x = clip(network(6, 3), dtype=torch.float64)
    parts = [run(alone, part) for part in x.split(2, dim=2)]
    torch.testing.assert_close(run(module, x), torch.cat(parts, dim=2))
    with pytest.raises(SpecError, match="T = 7"):
        network(7, 3)


NONE = {"head": "none"}


@pytest.mark.parametrize("mode", ["embedded_gaussian", "dot_product", "concatenation"])
def test_keys_pooled_over_time_are_looked_at_by_every_frame(mode: str) -> None:
    """On a still clip the maximum of neighbouring frames is any of them."""

    def network(kernel_t: int) -> Network:
        layers = {"nl": {"block": "non_local", "mode": mode, "sub_sample_kernel_t": kernel_t}}
        return load({**on({"layers": layers}, {}, frames=6, size=8, channels=4)} | NONE)

    pooled, whole = (seeded(network(k)).double() for k in (3, 1))
    image = clip(network(1), dtype=torch.float64)[:, :, :1]
    still = image.expand(-1, -1, 6, -1, -1)
    torch.testing.assert_close(run(pooled, still), run(whole, still))
    assert network(3).facts["nl.pool_phi"].output.frames == 2
    with pytest.raises(SpecError, match="from one group into the next"):
        load(
            {**on({"layers": {"nl": {"block": "non_local"}}}, {}, frames=6)} | NONE,
            [("backbone.layers.nl.groups", 2), ("backbone.layers.nl.sub_sample_kernel_t", 2)],
        )


def test_pooling_before_the_projections_costs_a_quarter_of_them() -> None:
    """As PySlowFast has it; a 1x1 convolution of a maximum is no maximum of convolutions."""
    before = load("slow:nln_r50_8x8")
    behind = load("slow:nln_r50_8x8", ["policy.temporal.nl.sub_sample_input=false"])
    g = "layer2.1.nl.g"
    assert 4 * before.facts[g].macs["convolution"] == behind.facts[g].macs["convolution"]
    assert before.state == behind.state


@pytest.mark.parametrize(
    ("before", "after", "row", "said"),
    [
        ("i3d_r50_8x8", "slow_r50_8x8", "its place", "in conv1, 9/16 blocks"),
        ("c2d_nopool_r50_8x8", "c2d_r50_8x8", "temporal pooling", "maximum of 2 frames, stride 2"),
        ("i3d_r50_8x8", "i3d_nln_r50_8x8", "temporal op", "scaled softmax attention"),
        ("tsn_resnet50", "slow_r50_8x8", "head", "average over windows of 7x7, all frames"),
    ],
)
def test_a_diff_says_it_in_the_fields_words(before: str, after: str, row: str, said: str) -> None:
    facets = {facet.title: facet for facet in diff(load(before), load(after)).policy}
    assert said in facets[row].b
