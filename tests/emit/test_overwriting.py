"""What may be written over: results that nobody else reads, neither in a layer's own backward pass
nor under another name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from stspec.module.load import import_source
from stspec.network import Network, load
from tests.interpreter import interpret
from tests.networks import CONV, clip, model, run, seeded

TAP = {"tap": "a", "backbone": {"layers": {"far": dict(CONV)}}}
HEAD = {"read": ["trunk", "other"], "classify": "per_clip"}


def means_what_it_says(network: Network) -> bool:
    """Tell whether the module gives what its graph means."""
    module = seeded(network).double()
    x = clip(network, dtype=torch.float64)
    with torch.no_grad():
        wanted = interpret(network, module.state_dict(), x)
    return torch.allclose(run(module, x), wanted)


@pytest.mark.parametrize(
    "between",
    [
        {},
        {"drop": {"op": "dropout"}},
        {"mix": {"op": "channel_shuffle", "groups": 1}},
        {"bn": {"op": "batch_norm"}},
    ],
    ids=["itself", "dropout", "shuffle", "norm"],
)
def test_what_two_read_is_not_changed_for_one(between: dict[str, Any]) -> None:
    layers = {"a": dict(CONV), **between, "end": {"op": "relu"}, "b": dict(CONV)}
    spec = {**model(layers), "name": "twice", "pathways": {"other": TAP}, "head": HEAD}
    assert means_what_it_says(load(spec))


def test_a_norm_that_two_sums_read_is_kept() -> None:
    layers = {"a": dict(CONV), "bn": {"op": "batch_norm"}, "b": dict(CONV)}
    join = {"after": "bn", "join": "add"}
    spec = {
        **model(layers),
        "name": "crossed",
        "pathways": {"other": {"backbone": {"layers": layers}}},
        "laterals": {
            "there": {"from": "other", **join},
            "back": {"from": "trunk", "into": "other", **join},
        },
        "head": HEAD,
    }
    network = load(spec)
    assert ".add_(" not in network.emit().text
    assert means_what_it_says(network)


@pytest.mark.parametrize("name", ["tsn_resnet18", "i3d_resnet50", "nln_resnet50", "x3d_xs"])
def test_sums_over_norms_have_the_gradients_of_new_tensors(name: str) -> None:
    network = load(name, ["clip.frames=4", "clip.size=64", "classes=5"])
    emitted = network.emit()
    assert ".add_(" in emitted.text
    other = replace(emitted, text=emitted.text.replace(".add_(", ".add("))
    ours = seeded(network).double().train()
    theirs = getattr(import_source(other), emitted.class_name)().double().train()
    theirs.load_state_dict(ours.state_dict())
    x = clip(network, dtype=torch.float64)
    for module in (ours, theirs):
        torch.manual_seed(0)  # for dropout
        module(x).logsumexp(1).sum().backward()
    pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
    for mine, new in pairs:
        assert mine.grad is not None and torch.equal(mine.grad, new.grad)
