"""What torch can do with the modules of heads: compile them whole, copy them, pickle them."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch

from stspec.module import build_module
from stspec.network import load

FEATURES: dict[str, dict[str, Any]] = {
    "mlp": {"kind": "mlp", "inner_dropout": 0.2},
    "relation": {"kind": "relation"},
    "drawn": {"kind": "relation", "choose": "drawn"},
    "fcn_2d": {"kind": "fcn_2d", "widths": [4, 6]},
    "transformer": {"kind": "transformer", "width": 8, "heads": 2, "inner": 6, "layers": 2},
    "decision_forest": {"kind": "decision_forest", "trees": 2, "depth": 3},
    "tcn": {"kind": "tcn", "stages": 2, "layers": 3},
}
RECURRENT = {
    cell: {"kind": "recurrent", "cell": cell, "hidden": 5, "bidirectional": cell == "lstm"}
    for cell in ("tanh", "relu", "lstm", "gru")
}
MAPS: dict[str, dict[str, Any]] = {
    "conv_lstm": {"kind": "conv_lstm", "hidden": 5, "layers": 2},
    "fcn_3d": {"kind": "fcn_3d", "widths": [4, 6]},
}
EVERY = {**FEATURES, **RECURRENT, **MAPS}


def made(name: str) -> tuple[torch.nn.Module, torch.Tensor]:
    head = dict(EVERY[name])
    clip: dict[str, Any] = {"frames": 4, "size": 5, "channels": 6}
    if name not in MAPS:
        head |= {"pool": "none"}
        clip = {"frames": 4, "features": 6}
    head |= {"features": 8, "dropout": 0.1}
    spec = {"backbone": "none", "policy": "none", "clip": clip, "head": head, "classes": 3}
    network = load(spec)
    torch.manual_seed(0)
    return build_module(network).eval(), torch.randn(2, *network.facts.input.dims)


@pytest.mark.parametrize("name", [*FEATURES, *MAPS])
@pytest.mark.parametrize("training", [False, True])
def test_compiles_whole(name: str, training: bool) -> None:
    module, x = made(name)
    module.train(training)
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    torch.manual_seed(1)
    got = compiled(x)
    if not training:
        torch.testing.assert_close(got, module(x))
    got.square().sum().backward()


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_networks_compile_in_parts(name: str) -> None:
    """torch calls its own kernels for these, between the parts that it compiles."""
    module, x = made(name)
    torch.compiler.reset()
    compiled = torch.compile(module, backend="aot_eager")
    torch.testing.assert_close(compiled(x), module(x))


@pytest.mark.parametrize("name", EVERY)
def test_copies_and_pickles(name: str) -> None:
    module, x = made(name)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(x), module(x))


@pytest.mark.parametrize("name", EVERY)
def test_any_batch_gives_what_its_clips_give(name: str) -> None:
    module, x = made(name)
    alone = torch.cat([module(clip) for clip in x.split(1)])
    torch.testing.assert_close(module(x), alone)


@pytest.mark.parametrize("name", EVERY)
def test_low_precision_is_near(name: str) -> None:
    module, x = made(name)
    expected = module(x)
    with torch.autocast("cpu", torch.bfloat16):
        near = module(x)
    assert near.isfinite().all()
    assert (near.float() - expected).abs().max() <= 0.1 * expected.abs().max() + 0.02
