"""GST: any alpha and beta, depth, frames and size; image weights fill its spatial parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from stspec.module import build_module
from stspec.module.weights import load_weights
from stspec.reference import fill_state_dict
from tests.zoo import sampling

ONE_EACH = [(f"backbone.layers.layer{i}.repeat", 1) for i in range(1, 5)]
GROUPS = "policy.temporal.groups"


@settings(max_examples=8, deadline=None)
@given(
    st.integers(1, 4),
    st.sampled_from([32, [33, 47]]),
    st.sampled_from([2, 3, 4, 8, 100]),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2, 3, 5]),
    st.sampled_from(["resnet18", "resnet50"]),
)
def test_any_of_its_networks(
    frames: int, size: object, alpha: int, beta: int, kernel_t: int, backbone: str
) -> None:
    sets = [("backbone", backbone), *ONE_EACH, (f"{GROUPS}.alpha", alpha)]
    sets += [(f"{GROUPS}.beta", beta), (f"{GROUPS}.kernel_t", kernel_t)]
    if kernel_t == 2:  # an even kernel makes more frames than the spatial half has
        with pytest.raises(SpecError, match="concatenate"):
            sampling.small("gst_resnet50", *sets, frames=frames, size=size)
        return
    network = sampling.small("gst_resnet50", *sets, frames=frames, size=size)
    module = sampling.as_predicted(network)
    sampling.costs_as_predicted(network)
    sampling.trains(network, module)
    sampling.copies(network, module)


@pytest.mark.parametrize("value", [0, 1])
def test_alpha_leaves_channels_for_both(value: int) -> None:
    with pytest.raises(SpecError, match="alpha"):
        sampling.small("gst_resnet50", (f"{GROUPS}.alpha", value))


def test_beta_is_one_or_two() -> None:
    with pytest.raises(SpecError, match="beta"):
        sampling.small("gst_resnet50", (f"{GROUPS}.beta", 3))


def test_image_weights_fill_the_spatial_half() -> None:
    image = sampling.small("tsn_resnet50", *ONE_EACH)
    public = fill_state_dict(dict(image.state))
    network = sampling.small("gst_resnet50", *ONE_EACH)
    module = build_module(network)
    tensors = {key: torch.from_numpy(value) for key, value in public.items()}
    report = load_weights(network, module, tensors, image=True)
    own = module.state_dict()
    taken = own["layer1.0.conv2.spatial.weight"].numpy()[:, :, 0]
    np.testing.assert_array_equal(taken, public["layer1.0.conv2.weight"][:48, :32])
    filled = {entry.key for entry in report.filled if not entry.key.startswith("fc")}
    assert filled == {f"layer{i}.0.conv2.temporal.weight" for i in range(1, 5)}
