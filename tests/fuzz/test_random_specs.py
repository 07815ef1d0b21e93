"""Random specs: what `load` accepts runs and gives what it predicts; what it refuses cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from stspec.network import Network, load
from stspec.ops.base import Layout, Op
from stspec.passes.facts import NodeShapeError
from tests.fuzz.specs import poolings, specs
from tests.interpreter import interpret
from tests.networks import clip, meta_module, run, seeded, shapes
from tests.ops.layers import agree

LARGE = [HealthCheck.too_slow, HealthCheck.data_too_large]


def loaded(spec: Mapping[str, Any] | str, overrides: Any = ()) -> Network | None:
    """Return the network, or None where the spec is refused, rightly."""
    try:
        return load(spec, overrides)
    except SpecError as error:
        event(error.diagnostics[0].code)
        cause = error.__cause__
        if isinstance(cause, NodeShapeError):
            refused_rightly(cause)
        return None


def refused_rightly(error: NodeShapeError) -> None:
    """Check that the operator really cannot take what arrives."""
    op = error.node.body
    assert isinstance(op, Op)
    kind = op.kind
    if kind in ("add", "concat", "shift", "spatial_pool", "consensus", "batch_norm", "linear"):
        return  # said outright in tests/ops
    layout: Layout = "clip" if op.layout != "frames" else "frames"
    if all(shape.is_trunk for shape in error.inputs):
        if kind == "avg_pool3d" and "round up" in str(error.cause):
            return
        agree(op, error.inputs, layout)


def right(network: Network) -> None:
    """Check keys, shapes, parameters and values of a network against its module."""
    module = seeded(network).double()
    assert list(network.state.items()) == list(shapes(module).items())
    assert network.facts.params == sum(p.numel() for p in module.parameters())
    x = clip(network, dtype=torch.float64)
    with torch.no_grad():
        expected = interpret(network, module.state_dict(), x)
    result = run(module, x)
    output = network.facts.output
    axes = output.sizes if output.is_trunk else tuple(reversed(output.sizes))
    assert tuple(result.shape) == (2, *axes)
    if expected.isfinite().all():  # unnormalised products grow without bound
        limit = 1e-9 * float(expected.abs().max())
        torch.testing.assert_close(result, expected, rtol=1e-9, atol=limit)


@settings(max_examples=300, suppress_health_check=LARGE)
@given(specs())
def test_random_specs(spec: dict[str, Any]) -> None:
    network = loaded(spec)
    if network is not None:
        event("accepted")
        right(network)


BACKBONES = ("resnet18", "resnet50", "mobilenetv2", "inceptionv1", "bninception", "squeezenet")
POLICIES = ("tsn", "tam", "tsm", "tsm_inplace", "i3d", "s3d", "nln", "avg", "max")
sides = st.integers(17, 70)


@settings(max_examples=150, suppress_health_check=LARGE)
@given(
    st.sampled_from(BACKBONES),
    st.sampled_from(POLICIES),
    poolings,
    st.integers(1, 17),
    sides,
    st.none() | sides,
)
def test_shipped_backbones_and_policies(
    backbone: str, policy: str, pooling: Any, frames: int, height: int, width: int | None
) -> None:
    spec = {
        "stspec": 1,
        "backbone": backbone,
        "policy": {"extends": policy, "pooling": pooling},
        "clip": {"frames": frames, "size": height if width is None else [height, width]},
        "classes": 3,
    }
    network = loaded(spec)
    if network is None:
        return
    event("accepted")
    module = meta_module(network)
    assert list(network.state.items()) == list(shapes(module).items())
    out = run(module, torch.empty((2, *network.facts.input.sizes), device="meta"))
    assert tuple(out.shape) == (2, 3)
