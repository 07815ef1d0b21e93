"""Temporal pyramids over layers of the trunk."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from stspec.diagnostics import SpecError
from stspec.network import Network, load
from tests.networks import clip, meta_module, run, seeded, shapes
from tests.passes.test_facts import counted


def spec(frames: int, size: int, stages: int, **head: Any) -> dict[str, Any]:
    """Return a pyramid over stages that halve the map and double the channels."""
    layers = {
        f"stage{i}": {"op": "conv3d", "width": 4 * 2**i, "kernel": 3, "stride": 2 if i else 1}
        for i in range(stages)
    }
    return {
        "backbone": {"layers": layers},
        "policy": "none",
        "clip": {"frames": frames, "size": size},
        "head": {"kind": "pyramid", "read": list(layers), "groups": 2, "width": 6, **head},
        "classes": 3,
    }


@settings(max_examples=25)
@given(
    st.integers(1, 9),
    st.integers(4, 13),
    st.integers(1, 3),
    st.lists(st.sampled_from([1, 2, 4]), min_size=1, max_size=3).map(sorted),
    st.sampled_from(["cascade", "parallel"]),
    st.sampled_from(["last", 5]),
)
def test_what_is_predicted_is_what_torch_has(
    frames: int, size: int, stages: int, rates: list[int], flow: str, fused: Any
) -> None:
    assume(len(rates) in (1, stages))
    assume(frames % max(rates) == 0)
    network = load(spec(frames, size, stages, rates=rates, flow=flow, fused=fused))
    module = meta_module(network)
    assert list(network.state.items()) == list(shapes(module).items())
    batch = torch.empty((2, *network.facts.input.dims), device="meta")
    assert run(module, batch).shape == (2, 3)
    assert +network.facts.macs() == counted(network)


@pytest.mark.parametrize("flow", ["cascade", "parallel"])
def test_levels_flow_both_ways(flow: str) -> None:
    """Two levels, the second at half the tempo of the first, written out."""
    network = load(spec(8, 8, 2, rates=[2, 4], flow=flow))
    module = seeded(network).double()
    state = module.state_dict()
    x = clip(network).double()

    def conv(y: Tensor, key: str, **options: Any) -> Tensor:
        return F.conv3d(y, state[key], **options)

    def unit(y: Tensor, name: str, **options: Any) -> Tensor:
        y = conv(y, f"pyramid.{name}.conv.weight", **options)
        mean, var = (
            state[f"pyramid.{name}.bn.running_mean"],
            state[f"pyramid.{name}.bn.running_var"],
        )
        scale, shift = state[f"pyramid.{name}.bn.weight"], state[f"pyramid.{name}.bn.bias"]
        return F.batch_norm(y, mean, var, scale, shift).relu()

    low = conv(x, "stage0.weight", padding=(0, 1, 1))
    high = conv(low, "stage1.weight", padding=(0, 1, 1), stride=(1, 2, 2))
    along: dict[str, Any] = {"padding": (1, 0, 0)}
    level1 = unit(low, "space1_1", padding=(0, 1, 1), stride=(1, 2, 2))
    level1 = F.max_pool3d(conv(level1, "pyramid.tempo1.weight", groups=2, **along), (2, 1, 1))
    level2 = F.max_pool3d(conv(high, "pyramid.tempo2.weight", groups=2, **along), (4, 1, 1))
    down1, down2 = level1 + level2.repeat_interleave(2, 2), level2
    up1 = down1 if flow == "cascade" else level1
    up2 = level2 + F.max_pool3d(conv(up1, "pyramid.up_conv1.weight", **along), (2, 1, 1))
    ends = []
    for name, one, two in (("top_down", down1, down2), ("bottom_up", up1, up2)):
        first = unit(F.max_pool3d(one, (2, 1, 1)), f"{name}_level1", groups=2)
        second = unit(two, f"{name}_level2", groups=2)
        ends.append(unit(torch.cat([first, second], 1), name))
    features = unit(torch.cat(ends, 1), "fusion").mean((2, 3, 4))
    torch.testing.assert_close(run(module, x), features @ state["fc.weight"].t() + state["fc.bias"])


def changed(**head: Any) -> Network:
    return load(spec(8, 8, 2, **head))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ({"rates": [1, 2, 4]}, "2 levels but 3 rates"),
        ({"rates": [4, 2]}, "multiple of the one before"),
        ({"read": ["stage1", "stage0"]}, "cannot double 8 channels to 4"),
        ({"groups": 5}, "5 groups do not divide"),
        ({"read": ["stage7"]}, "does not exist"),
    ],
)
def test_what_cannot_be_is_told(head: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        changed(**head)
