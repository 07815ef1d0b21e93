"""Blocks of grouped temporal convolutions at several scales, against groups written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from stspec.diagnostics import SpecError
from stspec.network import load
from tests.networks import meta_module, run, seeded, shapes
from tests.passes.test_facts import counted


def spec(clip: dict[str, Any], repeat: int = 1, **fields: Any) -> dict[str, Any]:
    layer = {"block": "multi_scale_temporal", "repeat": repeat, **fields}
    backbone = {"layers": {"time": layer}}
    return {"backbone": backbone, "policy": "none", "clip": clip, "head": "none"}


@settings(max_examples=25)
@given(
    st.integers(1, 4),
    st.lists(st.sampled_from([1, 3, 5, 7]), min_size=1, max_size=3),
    st.sampled_from([0.5, 1.0, 1.25, 2.0]),
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(2, 7),
)
def test_what_is_predicted_is_what_torch_has(
    groups: int, kernels: list[int], expansion: float, pool: int, per_group: int, frames: int
) -> None:
    assume(frames >= pool and int(per_group * expansion / (len(kernels) + 2)) >= 1)
    clip = {"frames": frames, "size": [3, 2], "channels": groups * per_group}
    network = load(spec(clip, groups=groups, kernels=kernels, expansion=expansion, pool=pool))
    module = meta_module(network)
    assert list(network.state.items()) == list(shapes(module).items())
    out = run(module, torch.empty((2, *network.facts.input.dims), device="meta"))
    assert out.shape == (2, *network.facts.output.dims)
    assert +network.facts.macs() == counted(network)


def test_groups_are_interleaved() -> None:
    """Every group by itself, branch by branch, then channels in turn from all groups."""
    groups, inside, kernels = 2, 5, (1, 3)
    clip = {"frames": 4, "size": 2, "channels": groups * inside}
    network = load(spec(clip, groups=groups, kernels=list(kernels), expansion=1.6))
    module = seeded(network).double()
    state = module.state_dict()
    width = 2  # int(10 * 1.6 / (4 * 2))
    x = torch.randn(3, groups * inside, 4, 2, 2, dtype=torch.double)

    def part(name: str, group: int) -> Tensor:
        value: Tensor = state[f"time.0.{name}"]
        return value[group * width : (group + 1) * width]

    def branch(y: Tensor, group: int, index: int) -> Tensor:
        name = f"branch{index}"
        y = F.conv3d(y, part(f"{name}_reduce.weight", group), part(f"{name}_reduce.bias", group))
        if index in (1, 2):
            kernel = kernels[index - 1]
            y = F.conv3d(
                y,
                part(f"{name}_conv.weight", group),
                part(f"{name}_conv.bias", group),
                padding=(kernel // 2, 0, 0),
                groups=width,
            )
        if index == 3:
            y = F.pad(F.max_pool3d(y, (2, 1, 1), 1), (0, 0, 0, 0, 1, 0), mode="replicate")
        mean, var = (part(f"{name}_bn.running_{leaf}", group) for leaf in ("mean", "var"))
        scale, shift = (part(f"{name}_bn.{leaf}", group) for leaf in ("weight", "bias"))
        return F.batch_norm(y, mean, var, scale, shift, training=False, eps=1e-5)

    outs = []
    for group in range(groups):
        own = x[:, group * inside : (group + 1) * inside]
        outs.append(torch.cat([branch(own, group, i) for i in range(4)], 1))
    together = torch.stack(outs, 2).flatten(1, 2).relu()
    expected = F.max_pool3d(together, (2, 1, 1))
    torch.testing.assert_close(run(module, x), expected)


@pytest.mark.parametrize(
    ("clip", "fields", "words"),
    [
        ({"frames": 4, "size": 2, "channels": 9}, {"groups": 2}, "divided into 2 groups"),
        ({"frames": 4, "size": 2, "channels": 8}, {"groups": 8, "expansion": 0.5}, "leave none"),
        ({"frames": 1, "size": 2, "channels": 16}, {"groups": 2}, "T = 1"),
        ({"frames": 4, "size": 2, "channels": 16}, {"groups": 2, "kernels": [4]}, "even kernel"),
    ],
)
def test_what_cannot_be_is_told(clip: dict[str, Any], fields: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load(spec(clip, **fields))
