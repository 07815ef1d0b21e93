"""Heads that reason over frames: any of them, over features and over maps, as torch runs them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from stspec.module import build_module
from stspec.network import Network, check_scores_clips, load
from stspec.weights.importer import import_state_dict
from tests.networks import meta_module, run, shapes
from tests.passes.test_facts import counted

small = st.integers(1, 5)
dropout = st.sampled_from([0.0, 0.3])


def head(kind: str, **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a head of a kind."""
    shared = {"kind": st.just(kind), "dropout": dropout, "features": small | st.just("none")}
    return st.fixed_dictionaries({**shared, **fields})


perceptron = {"hidden": small, "layers": st.integers(1, 3), "inner_dropout": dropout}
over_features = st.one_of(
    head("mlp", **perceptron),
    head(
        "relation",
        **perceptron,
        scales=st.sampled_from(["all", "largest", [1]]),
        count=st.integers(1, 7),
        choose=st.sampled_from(["spread", "first", "drawn"]),
    ),
    head(
        "recurrent",
        cell=st.sampled_from(["tanh", "relu", "lstm", "gru"]),
        hidden=small,
        layers=st.integers(1, 3),
        bidirectional=st.booleans(),
        inner_dropout=dropout,
    ),
    head("fcn_2d", widths=st.lists(small, min_size=1, max_size=3), stride=st.integers(1, 3)),
    head(
        "transformer",
        width=st.sampled_from([4, 8, 12]),
        heads=st.sampled_from([1, 2, 4]),
        layers=st.integers(1, 2),
        inner=small,
        hidden=small,
        embeddings=st.integers(1, 3),
        inner_dropout=dropout,
    ),
    head("decision_forest", trees=st.integers(1, 3), depth=st.integers(1, 4), share=st.just(1.0)),
)
of_frames = head(
    "tcn",
    stages=st.integers(1, 3),
    layers=st.integers(1, 4),
    inner=small,
    kernel=st.sampled_from([1, 3, 5]),
    growth=st.integers(1, 3),
    scores=st.sampled_from(["last", "every"]),
)
over_maps = st.one_of(
    head("conv_lstm", hidden=small, layers=st.integers(1, 3), kernel=st.sampled_from([1, 3, 5])),
    head("fcn_3d", widths=st.lists(small, min_size=1, max_size=3), stride=st.integers(1, 3)),
)


def spec(head: dict[str, Any], clip: dict[str, Any], backbone: Any = "none") -> dict[str, Any]:
    return {"backbone": backbone, "policy": "none", "clip": clip, "head": head, "classes": 4}


def holds(network: Network) -> None:
    """What is predicted is what torch has: keys, shapes, parameters, MACs, the output."""
    module = meta_module(network)
    assert list(network.state.items()) == list(shapes(module).items())
    assert network.facts.params == sum(p.numel() for p in module.parameters())
    batch = torch.empty((3, *network.facts.input.dims), device="meta")
    assert run(module, batch).shape == (3, *network.facts.output.dims)
    assert +network.facts.macs() == counted(network)


@settings(max_examples=40)
@given(over_features | of_frames, st.integers(1, 9), st.integers(1, 9))
def test_heads_of_features(head: dict[str, Any], frames: int, features: int) -> None:
    clip = {"frames": frames, "features": features}
    holds(load(spec({**head, "pool": "none"}, clip)))


@settings(max_examples=25)
@given(
    over_features | of_frames | over_maps, st.integers(1, 6), st.integers(1, 9), st.integers(1, 9)
)
def test_heads_of_maps(head: dict[str, Any], frames: int, height: int, width: int) -> None:
    clip = {"frames": frames, "size": [height, width], "channels": 3}
    holds(load(spec(head, clip, {"layers": {"conv": {"op": "conv2d", "width": 6, "kernel": 3}}})))


@settings(max_examples=12, deadline=None)
@given(over_features | of_frames | over_maps, st.integers(2, 5))
def test_every_parameter_takes_part_in_training(head: dict[str, Any], frames: int) -> None:
    network = load(spec(head, {"frames": frames, "size": 6}))
    torch.manual_seed(0)
    module = build_module(network).train()
    module(torch.rand(4, *network.facts.input.dims)).square().sum().backward()
    for name, parameter in module.named_parameters():
        if name.endswith(".mask"):
            assert parameter.grad is None and not parameter.requires_grad
        else:
            assert parameter.grad is not None, name


def test_time_pooled_in_the_trunk_leaves_fewer_frames_to_relate() -> None:
    network = load(
        {
            "backbone": "resnet18_quarter",
            "policy": {"pooling": {"beside": [3, 4]}},
            "clip": {"frames": 8, "size": 32},
            "head": {"kind": "relation"},
            "classes": 4,
        }
    )
    assert {key for key in network.state if key.startswith("relation.")} == {
        f"relation.scales.0.mlp.{i}.{leaf}" for i in (1, 4) for leaf in ("weight", "bias")
    }
    assert network.state["relation.scales.0.mlp.1.weight"] == (256, 2 * 256)
    holds(network)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ({"kind": "relation", "pool": "none", "scales": [2, 9]}, "T = 4 but relates 9"),
        ({"kind": "mlp"}, "spatial_pool needs"),
        ({"kind": "conv_lstm"}, "conv2d needs"),
        ({"kind": "transformer", "pool": "none", "width": 10, "heads": 4}, "4 heads"),
        ({"kind": "transformer", "pool": "none", "positions": 4}, "5 positions"),
        ({"kind": "decision_forest", "pool": "none", "share": 0.0001}, "is none"),
        ({"kind": "tcn", "pool": "none", "kernel": 4}, "even kernel"),
        ({"kind": "relation", "pool": "none", "scales": [2, 2]}, "once"),
    ],
)
def test_what_cannot_be_is_told(head: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load(spec(head, {"frames": 4, "features": 16}))


@pytest.mark.parametrize("kernel", [2, 4])
def test_a_state_keeps_its_size(kernel: int) -> None:
    with pytest.raises(SpecError, match="must be odd"):
        load(spec({"kind": "conv_lstm", "kernel": kernel}, {"frames": 4, "size": 7}))


def test_input_is_maps_or_features() -> None:
    for clip in ({"frames": 4}, {"frames": 4, "size": 7, "features": 8}):
        with pytest.raises(SpecError, match="either clips"):
            load(spec({"kind": "mlp", "pool": "none"}, clip))
    with pytest.raises(SpecError, match="no `channels`"):
        load(spec({"kind": "mlp", "pool": "none"}, {"frames": 4, "features": 8, "channels": 8}))


def test_a_model_without_anything_is_refused() -> None:
    with pytest.raises(SpecError, match="layers or a head"):
        load({**spec({}, {"frames": 4, "size": 7}), "head": "none"})


def test_features_are_no_video() -> None:
    network = load(spec({"kind": "mlp", "pool": "none"}, {"frames": 4, "features": 8}))
    with pytest.raises(SpecError, match="no videos"):
        check_scores_clips(network)


def test_scores_of_frames_are_told_where_a_clip_has_one_class() -> None:
    network = load(spec({"kind": "tcn"}, {"frames": 4, "size": 7}))
    with pytest.raises(SpecError, match="scores to every frame"):
        check_scores_clips(network)
    check_scores_clips(load(spec({"kind": "mlp"}, {"frames": 4, "size": 7})))


def related(choose: str) -> torch.nn.Module:
    fields = {"pool": "none", "features": "none", "dropout": 0.0, "choose": choose}
    return build_module(
        load(spec({"kind": "relation", **fields}, {"frames": 8, "features": 4}))
    ).train()


def test_relations_are_the_same_in_every_pass_unless_drawn() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 8, 4)
    fixed, drawn = related("spread"), related("drawn")
    assert torch.equal(fixed(x), fixed(x))
    torch.manual_seed(1)
    first, second = drawn(x), drawn(x)
    assert not torch.equal(first, second)
    torch.manual_seed(1)
    assert torch.equal(drawn(x), first)
    drawn.load_state_dict(fixed.state_dict())
    assert torch.equal(drawn.eval()(x), fixed(x))


STAGES = ("conv_in.weight", "conv_out.weight", "conv_out.bias")


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (
            {"kind": "relation"},
            {f"relation.scales.{i}.mlp.4.{leaf}" for i in (0, 1) for leaf in ("weight", "bias")},
        ),
        (
            {"kind": "tcn", "stages": 2},
            {"stage1.conv_out.weight", "stage1.conv_out.bias", *(f"stage2.{k}" for k in STAGES)},
        ),
        (
            {"kind": "decision_forest", "trees": 2, "depth": 2},
            {f"forest.trees.{i}.leaves" for i in (0, 1)},
        ),
        ({"kind": "recurrent"}, {"fc.weight", "fc.bias"}),
    ],
)
def test_classes_are_replaced(head: dict[str, Any], kept: set[str]) -> None:
    clip = {"frames": 3, "features": 4}
    whole = spec({**head, "pool": "none"}, clip)
    here, there = load(whole), load({**whole, "classes": 9})
    state = {key: torch.zeros(shape) for key, shape in there.state.items()}
    layers = here.class_layers
    imported = import_state_dict(
        state, here.state, "stspec", classes="replace", class_layers=layers
    )
    assert {entry.key for entry in imported.report.filled} == kept
    with pytest.raises(SpecError, match="the checkpoint has 9 classes, the model 4"):
        import_state_dict(state, here.state, "stspec", class_layers=layers)
