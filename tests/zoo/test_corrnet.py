"""CorrNet: any kernel, groups and places of correlation; its weights belong to frames."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from stspec.network import load
from tests.zoo import sampling

CORR = "policy.temporal.corr"
LAYERS = "backbone.layers"


@settings(max_examples=3, deadline=None)
@given(
    st.integers(1, 5),
    st.sampled_from([32, [33, 47]]),
    st.sampled_from([1, 3, 5]),
    st.integers(1, 3),
    st.sampled_from([1, 4, 8]),
    st.sampled_from(["sum", "concat"]),
)
def test_any_of_its_networks(
    frames: int, size: object, kernel: int, dilation: int, groups: int, join: str
) -> None:
    sets: list[tuple[str, object]] = []
    sets += [(f"{LAYERS}.layer{i}.repeat", 2 if i == 2 else 1) for i in range(1, 5)]
    sets += [(f"{CORR}.kernel", kernel), (f"{CORR}.dilation", dilation)]
    sets += [(f"{CORR}.groups", groups), (f"{CORR}.join", join)]
    network = sampling.small("corrnet_50", *sets, frames=frames, size=size)
    module = sampling.as_predicted(network)
    sampling.costs_as_predicted(network)
    sampling.trains(network, module)
    sampling.copies(network, module)


def test_weights_belong_to_the_frames_of_their_stage() -> None:
    network = load("corrnet_50", [("clip.frames", 7), ("clip.size", 32)])
    frames = {k: v[1] for k, v in network.state.items() if k.endswith("correlation.weight")}
    assert frames == {
        "layer1.2.corr.correlation.weight": 7,
        "layer2.3.corr.correlation.weight": 7,
        "layer3.5.corr.correlation.weight": 4,
    }


@pytest.mark.parametrize(("depth", "last"), [("26", [1, 1, 1]), ("101", [2, 3, 11, 22])])
def test_places(depth: str, last: list[int]) -> None:
    state = load(f"corrnet_{depth}", [("clip.size", 32), ("clip.frames", 4)]).state
    places = [key.split(".")[1] for key in state if key.endswith("correlation.weight")]
    assert list(map(int, places)) == last


def test_what_cannot_be_is_told() -> None:
    for override, words in {
        (f"{CORR}.groups", 7): "do not divide 64 channels",
        (f"{CORR}.kernel", 4): "has no middle",
        (f"{CORR}.join", "concat"): "leave none of 256 channels",
    }.items():
        with pytest.raises(SpecError) as told:
            sampling.small("corrnet_50", override)
        assert words in " ".join(str(told.value).split())
