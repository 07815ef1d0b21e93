"""TIN, GSM, TANet, ACTION-Net and TEINet beyond their published configurations."""

from __future__ import annotations

from collections import Counter
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
from tests.networks import clip, meta_module, on, run, seeded, shapes

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101")
INCEPTIONS = ("inceptionv1", "bninception")
BACKBONES = {
    "tin": RESNETS + INCEPTIONS,
    "gsm": INCEPTIONS,
    "gsm_bninception": ("bninception",),
    "gsm_residual": ("resnet50", "resnet101"),
    "tanet": RESNETS,
    "action": (*RESNETS, *INCEPTIONS, "mobilenetv2", "squeezenet"),
    "teinet": RESNETS,
}
OPTIONS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "tin": {
        "interlace.fold_div": st.sampled_from([1, 2, 4]),
        "interlace.offsets": st.sampled_from([1, 2]),
        "interlace.reach": st.integers(1, 4),
    },
    "tanet": {
        "tam.kernel": st.sampled_from([1, 3, 5]),
        "tam.expansion": st.integers(1, 3),
        "tam.reduction": st.integers(1, 8),
    },
    "action": {
        "shift.fold_div": st.integers(2, 9),
        "excitation.reduction": st.integers(1, 40),
        "excitation.paths": st.lists(
            st.sampled_from(["spatiotemporal", "channel", "motion"]), min_size=1, unique=True
        ),
    },
    "teinet": {
        "motion.reduction": st.integers(1, 16),
        "motion.sigmoid": st.sampled_from(["gate", "difference"]),
        "interaction.kernel": st.sampled_from([3, 5]),
    },
}
SIDES = st.integers(33, 80)
EVEN_SIDES = st.sampled_from([32, 64, 96])
"""What BNInception takes: a strided module pools and convolves to one size if that is even."""


@st.composite
def networks(draw: st.DrawFn) -> Network:
    policy = draw(st.sampled_from(sorted(BACKBONES)))
    backbone = draw(st.sampled_from(BACKBONES[policy]))
    options = draw(st.fixed_dictionaries({}, optional=OPTIONS.get(policy, {})))
    sides = EVEN_SIDES if backbone == "bninception" else SIDES
    size = [draw(sides), draw(sides)]
    spec = on(
        backbone,
        policy,
        frames=draw(st.integers(1, 9)),
        size=size,
        channels=draw(st.sampled_from([1, 3, 10])),
    )
    return load(spec, [(f"policy.temporal.{path}", value) for path, value in options.items()])


def counted(network: Network) -> Counter[str]:
    counter = FlopCounterMode(display=False)
    with counter:
        run(meta_module(network, canonical=True), clip(network, device="meta"))
    return Counter({"all": counter.get_total_flops() // 4})


@settings(max_examples=10, deadline=None)
@given(networks())
def test_what_is_predicted_is_what_runs(network: Network) -> None:
    module = meta_module(network)
    assert list(network.state.items()) == list(shapes(module).items())
    assert network.facts.params == sum(p.numel() for p in module.parameters())
    assert run(module, clip(network, batch=3, device="meta")).shape == (3, 5)
    assert sum(network.facts.macs().values()) == counted(network)["all"]


SMALL = {
    "tin": "resnet18_quarter",
    "gsm": "bninception",
    "gsm_bninception": "bninception",
    "tanet": "resnet18_quarter",
    "action": "resnet18_quarter",
    "teinet": "resnet18_quarter",
}


@pytest.mark.parametrize("frames", [1, 4, 5])
@pytest.mark.parametrize("policy", SMALL)
def test_a_training_step(policy: str, frames: int) -> None:
    spec = on(SMALL[policy], policy, frames=frames, size=[64, 96])
    network = load(spec)
    torch.manual_seed(0)
    module = build_module(network).train()
    module(clip(network, batch=3)).square().mean().backward()
    grads = {name: p.grad for name, p in module.named_parameters()}
    without = {name for name, grad in grads.items() if grad is None or not grad.isfinite().all()}
    assert not without


@pytest.mark.parametrize("policy", SMALL)
def test_clips_of_a_batch_are_apart(policy: str) -> None:
    """What one clip shows changes nothing for the others."""
    network = load(on(SMALL[policy], policy, frames=3, size=64))
    module = seeded(network).double()
    x = clip(network, batch=3, dtype=torch.float64)
    out = run(module, x)
    torch.testing.assert_close(run(module, x[1:2]), out[1:2])
    y = x.clone()
    y[0] = 0
    assert not torch.allclose(run(module, y)[0], out[0])
    torch.testing.assert_close(run(module, y)[1:], out[1:])


@pytest.mark.parametrize(
    ("policy", "backbone", "said"),
    [
        ("tin", "mobilenetv2", "6 of 24 channels move, which 4 groups cannot share"),
        ("gsm", "resnet50", "matches nothing"),
        ("gsm_residual", "resnet18", "matches nothing"),
        ("tanet", "bninception", "matches nothing"),
    ],
)
def test_what_cannot_be_is_refused(policy: str, backbone: str, said: str) -> None:
    with pytest.raises(SpecError) as refused:
        load(on(backbone, policy))
    assert said in refused.value.diagnostics[0].message


def test_action_in_front_of_modules_shifts_first() -> None:
    """As in residual branches: what is excited has been shifted."""
    network = load(on("bninception", "action"))
    module = network.graph.node("inception4b").body
    nodes = {node.name: node.inputs for node in module.nodes}  # type: ignore[union-attr]
    assert nodes["shift"] == ("x",)
    assert nodes["excitation"] == ("shift",)
    assert nodes["branch1"] == nodes["branch2"] == nodes["branch4"] == ("excitation",)


def test_gate_shift_of_bninception_stands_where_its_paper_has_it() -> None:
    network = load("gsm_bninception")
    owners = {key.rpartition(".gate_shift")[0] for key in network.state if "gate_shift" in key}
    full = {f"inception{name}.branch1" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "5a", "5b")}
    assert owners == full | {"inception3c.branch2.0", "inception4e.branch2.0"}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("tsm_resnet50", "tin_resnet50", "interlacing (1/4 of the channels, by up to 2 frames)"),
        ("tsn_bninception", "gsm_bninception", "gated shift"),
        ("tam_resnet50", "tanet_resnet50", "adaptive convolution over 3 frames"),
        (
            "tsm_resnet50",
            "action_resnet50",
            "depth-wise 3x1x1 convolution (a shift at first); excitation",
        ),
        ("action_resnet50", "action_resnet50_motion", "excitation (paths motion)"),
        ("tsn_resnet50", "teinet_resnet50", "motion enhancement; depth-wise 3x1x1 convolution"),
    ],
)
def test_a_diff_says_it_in_the_fields_words(before: str, after: str, said: str) -> None:
    facets = {facet.title: facet for facet in diff(load(before), load(after)).policy}
    assert said in facets["temporal op"].b


@pytest.mark.parametrize(
    ("name", "op", "count"),
    [
        # Every second block of stages of 3, 4, 23 and 3; of 12 parts, all but the stem.
        ("tsm_resnet101", "shift", 18),
        ("tsm_resnet101_x_temporal", "shift", 33),
        ("action_resnet101", "mean_conv", 18),
        ("tsm_bninception", "shift", 11),
    ],
)
def test_modules_stand_where_their_authors_put_them(name: str, op: str, count: int) -> None:
    kinds = [fact.node.body.kind for fact in load(name).facts.operators()]
    assert kinds.count(op) == count
