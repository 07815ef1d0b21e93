"""I3D and S3D as published, C3D, P3D and ECO beyond their published configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from stspec.diagnostics import SpecError
from stspec.module import build_module
from stspec.network import Network, load
from stspec.ops.conv import Conv3d
from stspec.ops.pool import MaxPool3d
from stspec.reference import load_oracle
from stspec.weights.importer import import_state_dict
from tests.interpreter import interpret
from tests.networks import clip, meta_module, on, run, seeded, shapes
from tests.zoo.sampling import as_predicted, copies, costs_as_predicted, trains

ORACLES = Path(__file__).parents[1] / "data" / "oracles"
SIDE = st.integers(33, 96)
ODD = st.sampled_from([1, 3, 5])


@st.composite
def published(draw: st.DrawFn) -> Network:
    name = draw(st.sampled_from(["i3d_original", "s3d_original", "c3d"]))
    frames = draw(st.integers(16, 40) if name == "c3d" else st.integers(25, 70))
    own: list[tuple[str, Any]] = [
        ("clip", {"frames": frames, "size": [draw(SIDE), draw(SIDE)]}),
        ("clip.channels", draw(st.sampled_from([1, 2, 3, 10]))),
        ("classes", draw(st.integers(1, 9))),
    ]
    if name != "c3d":
        sides = [draw(st.sampled_from([1, "map"])) for _ in range(2)]
        own.append(("head.window", [draw(st.integers(1, 2)), *sides]))
    else:
        own.append(("backbone.norm", draw(st.sampled_from([{"eps": 0.001}, "none"]))))
    return load(name, own)


@settings(max_examples=5, deadline=None)
@given(published())
def test_published_networks_on_any_clip(network: Network) -> None:
    module = meta_module(network)
    assert list(network.state.items()) == list(shapes(module).items())
    out = run(module, clip(network, batch=3, device="meta"))
    assert tuple(out.shape[1:]) == network.facts.output.sizes
    costs_as_predicted(network)


@st.composite
def policies(draw: st.DrawFn) -> Network:
    """The policies on other backbones, P3D's with every way of joining."""
    backbone = draw(st.sampled_from(["resnet50", "resnet101", "bottleneck_strides"]))
    strides = {f"layer{i}": {"stride_on": "conv1"} for i in (2, 3, 4)}
    base: Any = backbone
    if backbone == "bottleneck_strides":
        base = {"extends": "resnet50", "layers": strides}
    joins = st.sampled_from(["series", "parallel", "skip"])
    join = draw(st.one_of(joins, st.lists(joins, min_size=1, max_size=4)))
    policy: Any = {"extends": "p3d", "temporal": {"separable": {"kernel_t": draw(ODD)}}}
    policy["temporal"]["separable"]["join"] = (
        {"each": join, "over": draw(st.sampled_from(["model", "stage"]))}
        if isinstance(join, list)
        else join
    )
    if draw(st.booleans()):
        policy["pooling"] = "none"
    frames = draw(st.integers(16, 33))
    return load(on(base, policy, frames=frames, size=[draw(SIDE), draw(SIDE)]))


@settings(max_examples=4, deadline=None)
@given(policies())
def test_units_joined_in_any_way(network: Network) -> None:
    module = meta_module(network)
    assert list(network.state.items()) == list(shapes(module).items())
    assert run(module, clip(network, batch=2, device="meta")).shape == (2, 5)
    costs_as_predicted(network)


@settings(max_examples=4, deadline=None)
@given(
    st.sampled_from(["eco_lite", "eco_full", "eco_resnet18"]),
    st.integers(1, 20),
    st.sampled_from([32, 64, [64, 96]]),
    st.sampled_from([1, 3, 5]),
)
def test_eco_on_any_clip(name: str, frames: int, size: Any, kernel: int) -> None:
    own = [("clip.frames", frames), ("clip.size", size), ("classes", 5)]
    place = "pathways.volume.policy" if name == "eco_full" else "policy"
    network = load(name, [*own, (f"{place}.spatial.volume.kernel_t", kernel)])
    module = meta_module(network)
    assert list(network.state.items()) == list(shapes(module).items())
    assert run(module, clip(network, batch=2, device="meta")).shape == (2, 5)


@pytest.mark.parametrize(
    ("name", "frames", "size"),
    [
        ("i3d_original", 18, 37),
        ("s3d_original", 18, 37),
        ("c3d", 17, 33),
        ("p3d_63", 16, 33),
        ("eco_lite", 5, 32),
        ("eco_full", 5, 32),
    ],
)
def test_they_run_train_and_copy(name: str, frames: int, size: int) -> None:
    own = [("clip.frames", frames), ("clip.size", size), ("classes", 5)]
    network = load(name, own)
    module = as_predicted(network)
    copies(network, module)
    trains(network, module)


@pytest.mark.parametrize(
    ("name", "own", "told"),
    [
        ("c3d", {"clip.frames": 7}, "pool4"),
        ("p3d_63", {"clip.frames": 8}, "t_pool3"),
        ("s3d_original", {"clip.frames": 8}, "head_pool"),
        ("i3d_original", {"head.window": [9, 1, 1], "clip.frames": 16}, "head_pool"),
        ("p3d_63", {"policy.temporal.separable.kernel_t": 2}, "cannot add"),
        ("i3d_original", {"policy.pooling.op": "avg"}, "pads by its input's size"),
    ],
)
def test_what_cannot_be_is_refused(name: str, own: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        load(name, list(own.items()))


def test_where_the_original_i3d_looks_at_time_and_strides() -> None:
    facts = load("i3d_original").facts
    ops = {fact.path: fact.node.body for fact in facts.operators()}
    stem = ops["conv1.conv"]
    assert isinstance(stem, Conv3d)
    assert (stem.kernel_t, stem.stride_t, stem.padding) == (7, 2, "same")
    pools = {path: op for path, op in ops.items() if isinstance(op, MaxPool3d)}
    strided = {path: (op.kernel_t, op.stride_t) for path, op in pools.items() if op.stride > 1}
    wanted = {"maxpool1": (1, 1), "maxpool2": (1, 1), "maxpool3": (3, 2), "maxpool4": (2, 2)}
    assert strided == wanted
    assert {op.kernel_t for op in pools.values() if op.stride == 1} == {3}
    assert facts["inception5b"].output.sizes == (1024, 8, 7, 7)


@pytest.mark.parametrize(
    ("name", "frames", "size"),
    [("i3d_original_flow", 19, [37, 46]), ("s3d_original", 18, [33, 50]), ("eco_full", 5, 32)],
)
def test_odd_clips_mean_what_their_graphs_do(name: str, frames: int, size: Any) -> None:
    own = [("clip.frames", frames), ("clip.size", size), ("classes", 5)]
    network = load(name, own)
    module = seeded(network).double()
    x = clip(network, dtype=torch.float64)
    expected = interpret(network, module.state_dict(), x)
    torch.testing.assert_close(run(module, x), expected, rtol=1e-9, atol=1e-9)


def test_a_checkpoint_of_flow_is_imported() -> None:
    network = load("i3d_original_flow")
    public = load_oracle(ORACLES, "piergiaj_i3d_small").state_dict
    stem = "Conv3d_1a_7x7.conv3d.weight"
    shapes_there = {**public, stem: (64, 2, 7, 7, 7)}
    state = {key: np.broadcast_to(np.float32(0), shape) for key, shape in shapes_there.items()}
    report = import_state_dict(state, network.state, "piergiaj", classes="replace").report
    assert {entry.key for entry in report.filled} == {"fc.weight", "fc.bias"}


def by_hand(unit: nn.Module, x: Tensor, join: str) -> Tensor:
    def half(conv: Any, norm: Any, y: Tensor) -> Tensor:
        padding = tuple(k // 2 for k in conv.weight.shape[2:])
        y = F.conv3d(y, conv.weight, padding=padding)
        mean, var = norm.running_mean, norm.running_var
        return F.batch_norm(y, mean, var, norm.weight, norm.bias, eps=norm.eps).relu()

    parts: Any = unit
    spatial = half(parts.conv, parts.bn, x)
    temporal = half(parts.conv_t, parts.bn_t, x if join == "parallel" else spatial)
    return temporal if join == "series" else spatial + temporal


@pytest.mark.parametrize("join", ["series", "parallel", "skip"])
def test_units_are_their_formulas_forward_and_backward(join: str) -> None:
    own = [("policy.temporal.separable.join", join), ("clip.size", 33), ("classes", 5)]
    module = seeded(load("p3d_63", own)).double()
    unit = module.get_submodule("layer2.1.conv2")
    x = torch.randn(2, 128, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    ours, theirs = unit(x), by_hand(unit, x, join)
    torch.testing.assert_close(ours, theirs)
    grads = [torch.autograd.grad(y.square().sum(), x, retain_graph=True)[0] for y in (ours, theirs)]
    torch.testing.assert_close(grads[0], grads[1])


def test_image_weights_fill_the_spatial_half_of_a_unit() -> None:
    network = load("p3d_63")
    moved = network.image_keys
    assert moved["layer1.0.conv2.conv.weight"] == "layer1.0.conv2.weight"
    assert moved["layer3.5.conv2.bn.running_mean"] == "layer3.5.bn2.running_mean"
    image = load(on("resnet50", "tsn"))
    filled = {moved.get(key, key) for key in network.state}
    assert set(image.state) <= filled


def test_a_volume_shares_the_layers_that_it_starts_with() -> None:
    own = [("clip", {"frames": 4, "size": 32}), ("classes", 5)]
    module = build_module(load("eco_full", own)).eval()
    x = torch.randn(1, 3, 4, 32, 32)
    before = module(x)
    with torch.no_grad():
        for parameter in module.get_submodule("volume_mid").parameters():
            parameter.zero_()
    joined = module.get_submodule("inception3c_double1")
    seen: list[Tensor] = []
    joined.register_forward_hook(lambda _m, inputs, _y: seen.append(inputs[0]))
    assert not torch.equal(module(x), before)
    assert float(seen[0].detach().abs().max()) == 0
