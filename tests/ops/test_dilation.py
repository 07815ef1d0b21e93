"""Convolutions whose kernels have gaps: rules against torch's layers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stspec.network import load
from stspec.ops.base import Shape
from stspec.ops.conv import Conv2d, Conv3d
from tests.interpreter import interpret
from tests.networks import clip, model, run, seeded
from tests.ops.layers import agree

trunks = st.builds(Shape, st.just(4), st.integers(1, 5), st.integers(1, 21), st.integers(1, 21))
fields = {
    "kernel": st.integers(1, 4),
    "kernel_w": st.none() | st.integers(1, 4),
    "stride": st.integers(1, 3),
    "padding": st.none() | st.integers(0, 4),
    "groups": st.sampled_from([1, 2, "depthwise"]),
    "dilation": st.integers(1, 5),
}


@settings(max_examples=100)
@given(st.builds(Conv3d, kernel_t=st.integers(1, 3), stride_t=st.integers(1, 2), **fields), trunks)
def test_of_clips(op: Conv3d, shape: Shape) -> None:
    agree(op, [shape], "clip")


@settings(max_examples=100)
@given(st.builds(Conv2d, **fields), trunks)
def test_of_frames(op: Conv2d, shape: Shape) -> None:
    agree(op, [shape], "frames")


@pytest.mark.parametrize("dilation", [2, 3])
def test_an_odd_kernel_keeps_the_size(dilation: int) -> None:
    op, shape = Conv3d(kernel=3, dilation=dilation), Shape(4, 2, 9, 12)
    assert op.infer([shape]) == shape
    assert op.window().space.kernel == 2 * dilation + 1


def test_padding_by_size_is_of_dense_kernels() -> None:
    with pytest.raises(ValidationError, match="dense kernels"):
        Conv2d(kernel=3, dilation=2, padding="same")


@pytest.mark.parametrize("to", ["conv3d", "conv2plus1d"])
def test_conversions_keep_it(to: str) -> None:
    layers = {"a": {"op": "conv2d", "width": 8, "kernel": 3, "dilation": 2}}
    policy = {"spatial": {"all": {"where": {"op": "conv"}, "to": to, "kernel_t": 3}}}
    network = load(model(layers, policy=policy))
    module = seeded(network)
    x = clip(network)
    expected = interpret(network, module.state_dict(), x)
    torch.testing.assert_close(run(module, x), expected)
    assert network.facts["a"].output.sizes[-2:] == x.shape[-2:]
    kernels = [m for m in module.modules() if getattr(m, "dilation", (1,))[-1] == 2]
    assert len(kernels) == 1
