"""TDN's blocks: excitation by motion of any kind, on any backbone, at any size."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from stspec.module import build_module
from stspec.module.weights import load_weights
from stspec.network import load
from stspec.reference import fill_state_dict
from tests.zoo import sampling

MOTION = "policy.temporal.motion"


@settings(max_examples=4, deadline=None)
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


@settings(max_examples=4, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(2, 6),
    st.sampled_from([64, [70, 93]]),
    st.sampled_from([[0.5, 0.5], [0.75, 0.25]]),
)
def test_any_of_its_networks(segments: int, group: int, size: object, weights: list[float]) -> None:
    sets: list[tuple[str, object]] = [("sample.every", group), ("sample.start", group // 2)]
    sets.append(("pathways.difference.sample.differences", group))
    sets.append(("laterals.supplement.weights", weights))
    sets += [(f"backbone.layers.layer{i}.repeat", 1) for i in range(1, 5)]
    sets.append(("pathways.difference.backbone.layers.layer1.repeat", 1))
    network = sampling.small("tdn_resnet50", *sets, frames=segments * group, size=size)
    module = sampling.as_predicted(network)
    sampling.costs_as_predicted(network)
    if segments > 1:
        sampling.trains(network, module)
    sampling.copies(network, module)


def test_frames_come_in_groups() -> None:
    with pytest.raises(SpecError, match="no groups of 5") as told:
        load("tdn_resnet50", [("clip.frames", 12), ("clip.size", 64)])
    assert "sample: {differences: 5}" in str(told.value)


def test_stills_differ_in_nothing() -> None:
    """Of a clip of one repeated frame, the second stem sees zeros."""
    network = sampling.small("tdn_resnet50", frames=10, size=64)
    module = sampling.as_predicted(network)
    seen: list[torch.Tensor] = []
    stem = module.get_submodule("difference_conv1")
    stem.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    clip = sampling.clip_of(network, 1)
    with torch.no_grad():
        module(clip[:, :, :1].expand_as(clip))
        module(clip)
    assert not seen[0].any()
    means = [F.avg_pool2d(frame[0].transpose(0, 1), 2) for frame in clip.split(5, 2)]
    wanted = torch.stack([(mean[1:] - mean[:-1]).flatten(0, 1) for mean in means])
    torch.testing.assert_close(seen[1], wanted)


def test_an_image_network_fills_both_first_stages() -> None:
    network = sampling.small("tdn_resnet50", frames=5, size=64)
    public = fill_state_dict(dict(sampling.small("tsn_resnet50").state))
    module = build_module(network)
    tensors = {key: torch.from_numpy(value) for key, value in public.items()}
    report = load_weights(network, module, tensors, image=True)
    own = module.state_dict()
    mean = torch.from_numpy(public["conv1.weight"]).mean(1, keepdim=True)
    torch.testing.assert_close(own["difference_conv1.weight"], mean.expand(-1, 12, -1, -1))
    key = "layer1.2.conv3.weight"
    torch.testing.assert_close(own[f"difference_{key}"], own[key])
    kept = {entry.key for entry in report.filled}
    assert all(k.endswith(".bias") or ".motion." in k or ".shift." in k for k in kept)
