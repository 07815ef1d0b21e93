"""Big-Little networks: any alpha, beta, depth and size, of images and of clips."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from stspec.network import load
from tests.zoo import sampling

LAYERS = "backbone.layers"


def shallow(alpha: int, beta: int, depths: list[int]) -> list[tuple[str, object]]:
    sets: list[tuple[str, object]] = [(f"{LAYERS}.layer0.alpha", alpha)]
    sets.append((f"{LAYERS}.layer4.repeat", 2))
    for i, depth in enumerate(depths, 1):
        sets += [
            (f"{LAYERS}.layer{i}.{key}", value)
            for key, value in (("alpha", alpha), ("beta", beta), ("depth", depth))
        ]
    return sets


@settings(max_examples=3, deadline=None)
@given(
    st.sampled_from([2, 4, 6]),
    st.sampled_from([32, [47, 70]]),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([1, 2, 4]),
    st.lists(st.integers(2, 6), min_size=3, max_size=3),
    st.sampled_from([1, 3, 4]),
)
def test_any_of_its_networks(
    frames: int, size: object, alpha: int, beta: int, depths: list[int], blend: int
) -> None:
    sets = shallow(alpha, beta, depths)
    sets += [(f"policy.temporal.{rule}.kernel", blend) for rule in ("tam", "tam_residual")]
    sets.append(("backbone.width", 0.5))
    network = sampling.small("blvnet_tam_r50_8x2", *sets, frames=frames, size=size)
    module = sampling.as_predicted(network)
    sampling.costs_as_predicted(network)
    sampling.trains(network, module)
    sampling.copies(network, module)


@pytest.mark.parametrize("policy", ["tsn", "tsm", "tam", "i3d", "s3d"])
def test_its_backbone_takes_other_policies(policy: str) -> None:
    sets = [("backbone", "blresnet50"), ("policy", policy), *shallow(2, 4, [2, 2, 2])]
    sampling.as_predicted(sampling.small("tsn_resnet50", *sets, frames=3, size=48))


@pytest.mark.parametrize(("frames", "words"), [(1, "takes one of 2"), (5, "cannot add")])
def test_frames_come_in_pairs(frames: int, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load("blvnet_tam_r50_8x2", [("clip.frames", frames), ("clip.size", 32)])


def test_a_clip_of_alternating_frames_is_split() -> None:
    """The little branch reads even frames alone, the big one odd frames, where none are blended."""
    import torch

    sets: list[tuple[str, object]] = []
    sets += [(f"policy.temporal.{rule}.kernel", 1) for rule in ("tam", "tam_residual")]
    sets += shallow(2, 4, [2, 2, 2])
    network = sampling.small("blvnet_tam_r50_8x2", *sets, frames=4)
    module = sampling.as_predicted(network).double()
    seen: dict[str, torch.Tensor] = {}
    for name in ("big", "little"):
        part = module.get_submodule(f"layer0.{name}")
        part.register_forward_pre_hook(lambda _m, args, name=name: seen.update({name: args[0]}))
    clip = sampling.clip_of(network, 1).double()
    with torch.no_grad():
        module(clip)
        first = dict(seen)
        clip[:, :, ::2] += 1
        module(clip)
    assert torch.equal(seen["big"], first["big"])
    assert not torch.equal(seen["little"], first["little"])
