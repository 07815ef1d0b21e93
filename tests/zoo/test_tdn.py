"""TDN's blocks: excitation by motion of any kind, on any backbone, at any size."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from tests.zoo import sampling

MOTION = "policy.temporal.motion"


@settings(max_examples=8, deadline=None)
@given(
    st.integers(1, 4),
    st.sampled_from([64, [70, 93]]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 16, 1000]),
    st.sampled_from([1, 3, 5]),
)
def test_any_excitation(
    frames: int, size: object, both: bool, pyramid: bool, reduction: int, kernel: int
) -> None:
    sets = [("policy", "tdn"), (f"{MOTION}.bidirectional", both), (f"{MOTION}.pyramid", pyramid)]
    sets += [(f"{MOTION}.reduction", reduction), ("policy.temporal.shift.kernel", kernel)]
    if kernel == 1:  # which sees no neighbour to shift from
        sets.append(("policy.temporal.shift.start", "identity"))
    network = sampling.small("tsn_resnet18", *sets, frames=frames, size=size)
    module = sampling.as_predicted(network)
    sampling.costs_as_predicted(network)
    if frames > 1:
        sampling.trains(network, module)
    sampling.copies(network, module)


def test_a_map_too_small_for_the_pyramid_is_told() -> None:
    with pytest.raises(SpecError, match="receives H = 1"):
        sampling.small("tsn_resnet18", ("policy", "tdn"), size=16)
