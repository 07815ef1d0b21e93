"""TEA: any width of a split, scale, depth, frames and size; what cannot be is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from stspec.network import Network
from tests.zoo import sampling

LAYERS = [f"backbone.layers.layer{i}" for i in range(1, 5)]


def tea(frames: int, size: object, base_width: int, scale: int, depth: int = 1) -> Network:
    sets: list[tuple[str, object]] = []
    for layer in LAYERS:
        sets += [(f"{layer}.repeat", depth), (f"{layer}.base_width", base_width)]
        sets.append((f"{layer}.scale", scale))
    if scale == 1:  # no split is last
        sets.append(("policy.temporal.shift", None))
    return sampling.small("tea_res2net50", *sets, frames=frames, size=size)


@settings(max_examples=8, deadline=None)
@given(
    st.integers(1, 5),
    st.sampled_from([32, [33, 47], 64]),
    st.sampled_from([4, 7, 13]),
    st.integers(1, 5),
    st.integers(1, 2),
)
def test_any_of_its_networks(
    frames: int, size: object, base_width: int, scale: int, depth: int
) -> None:
    network = tea(frames, size, base_width, scale, depth)
    module = sampling.as_predicted(network)
    sampling.costs_as_predicted(network)
    if frames > 1:
        sampling.trains(network, module)


def test_it_can_be_copied() -> None:
    network = tea(3, 32, 4, 3)
    sampling.copies(network, sampling.as_predicted(network))


def test_excitation_alone_applies_to_other_backbones() -> None:
    sets = [("backbone", "resnet18"), ("policy.temporal.blend", None)]
    network = sampling.small("tea_res2net50", *sets, ("policy.temporal.shift", None))
    sampling.as_predicted(network)


def test_a_shift_behind_no_split_is_told() -> None:
    with pytest.raises(SpecError, match="no such role"):
        sampling.small("tea_res2net50", ("backbone", "resnet50"))
