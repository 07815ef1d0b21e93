"""Weights of one video network start another: what is kept, and what is computed then."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from stspec.diagnostics import SpecError
from stspec.module import build_module, load_weights, transplant_weights
from stspec.module.backbones import check_backbones
from stspec.network import Network, load
from stspec.weights.inflate import Along, adapt_channels, interpolation, resample, resize_kernel
from tests.networks import on, run, seeded

SEEDS = st.integers(0, 2**32 - 1)
COUNTS = st.integers(1, 9)


def narrow(spec: dict[str, Any]) -> Network:
    """Return a network of a quarter of the channels; what is carried over is the same."""
    return load(spec, [("backbone.width", 0.25)])


def drawn(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def convolved(clip: Any, kernel: Any) -> Any:
    """Return a convolution padded by half of the kernel, in time and space."""
    pads = (kernel.shape[2] // 2, 0, 0)
    return F.conv3d(torch.tensor(clip), torch.tensor(kernel), padding=pads).numpy()


@settings(deadline=None)
@given(SEEDS, st.sampled_from([1, 3, 5]), st.sampled_from([3, 5, 7, 9]), st.integers(4, 8))
def test_a_longer_kernel_computes_the_same(seed: int, t: int, longer: int, frames: int) -> None:
    if longer <= t:
        return
    kernel, clip = drawn(seed, 3, 2, t, 1, 1), drawn(seed + 1, 1, 2, frames, 2, 2)
    resized = resize_kernel(kernel, longer)
    np.testing.assert_allclose(convolved(clip, resized), convolved(clip, kernel), atol=1e-12)


@given(SEEDS, COUNTS, COUNTS)
def test_a_resized_kernel_gives_a_static_clip_the_same(seed: int, t: int, frames: int) -> None:
    kernel = drawn(seed, 2, 3, t, 2, 2)
    resized = resize_kernel(kernel, frames)
    assert resized.shape == (2, 3, frames, 2, 2)
    np.testing.assert_allclose(resized.sum(2), kernel.sum(2), atol=1e-12)


@given(COUNTS, COUNTS)
def test_interpolation_is_torchs(there: int, here: int) -> None:
    signal = torch.arange(there, dtype=torch.float64)[None, None] ** 2
    ours = interpolation(there, here) @ signal[0, 0].numpy()
    theirs = F.interpolate(signal, size=here, mode="linear", align_corners=False)
    np.testing.assert_allclose(ours, theirs[0, 0].numpy(), atol=1e-12)
    np.testing.assert_allclose(interpolation(there, here).sum(1), 1)


@given(SEEDS, COUNTS, COUNTS, st.integers(1, 4))
def test_what_is_read_of_a_static_clip_stays(seed: int, t: int, frames: int, inner: int) -> None:
    weight, features = drawn(seed, 5, t * inner), drawn(seed + 1, inner)
    moved = resample(weight, Along(1, reads=True, inner=inner), frames * inner)
    assert moved is not None
    np.testing.assert_allclose(moved @ np.tile(features, frames), weight @ np.tile(features, t))


@given(SEEDS, COUNTS, COUNTS)
def test_what_is_given_to_frames_is_interpolated(seed: int, t: int, frames: int) -> None:
    weight = drawn(seed, 4, t, 3)
    moved = resample(weight, Along(1), frames)
    assert moved is not None
    signal = torch.tensor(weight).permute(0, 2, 1)
    wanted = F.interpolate(signal, size=frames, mode="linear", align_corners=False)
    np.testing.assert_allclose(moved, wanted.permute(0, 2, 1).numpy(), atol=1e-12)
    assert resample(weight, Along(1, inner=2), 2 * frames + 1) is None


def test_differences_may_stand_behind_frames_that_keep_their_weights() -> None:
    kernel = drawn(0, 4, 3, 7, 7)
    adapted = adapt_channels(kernel, 18, keep="first")
    np.testing.assert_array_equal(adapted[:, :3], kernel)
    np.testing.assert_allclose(adapted[:, 3:], np.repeat(kernel.mean(1, keepdims=True), 15, 1))


def moved(source: Network, target: Network) -> tuple[nn.Module, nn.Module, Any]:
    """Return a seeded module, one of another network with its weights, and the report."""
    theirs = seeded(source).double()
    ours = build_module(target).double()
    report = transplant_weights(target, ours, source, theirs)
    return theirs, ours.eval(), report


def still(frames: int, size: int = 32) -> Tensor:
    frame = torch.randn(1, 3, 1, size, size, generator=torch.Generator().manual_seed(1))
    return frame.double().expand(-1, -1, frames, -1, -1).contiguous()


def trunk(module: nn.Module, x: Tensor) -> Tensor:
    """Return what the last stage gives."""
    seen: list[Tensor] = []
    handle = module.get_submodule("layer4").register_forward_hook(lambda _m, _x, y: seen.append(y))
    run(module, x)
    handle.remove()
    return seen[0]


def test_average_gives_a_static_clip_the_activations_of_its_frame() -> None:
    # In the middle of a clip that is longer than what the network looks at, no edge is seen.
    frames = 45
    image = narrow(on("resnet18", "tsn", frames=1))
    network = narrow(on("resnet18", {"extends": "i3d", "inflate": "average"}, frames=frames))
    theirs, ours, report = moved(image, network)
    assert not report.filled
    flat = trunk(theirs, still(1))
    volume = trunk(ours, still(frames))
    torch.testing.assert_close(volume[:, :, frames // 2], flat, rtol=1e-9, atol=1e-9)


def test_center_gives_every_frame_of_any_clip_its_activations() -> None:
    image = narrow(on("resnet18", "tsn", frames=5))
    network = narrow(on("resnet18", {"extends": "i3d", "inflate": "center"}, frames=5))
    theirs, ours, _ = moved(image, network)
    x = torch.randn(2, 3, 5, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(run(ours, x), run(theirs, x), rtol=1e-9, atol=1e-9)


def test_repeat_is_not_divided_and_zero_init_is_silent() -> None:
    image = narrow(on("resnet18", "tsn"))
    weight = build_module(image).state_dict()["layer1.0.conv1.weight"]
    state = {"layer1.0.conv1.weight": weight}
    for policy, wanted in (("repeat", weight), ("zero_init", torch.zeros_like(weight))):
        network = narrow(on("resnet18", {"extends": "i3d", "inflate": policy}))
        module = build_module(network)
        transplant_weights(network, module, image, state)
        kernel = module.state_dict()["layer1.0.conv1.weight"]
        assert kernel.shape[2] == 3
        for tap in kernel.unbind(2):
            torch.testing.assert_close(tap, wanted)


def test_a_volume_becomes_flat_again() -> None:
    # Summed over time: in the middle of a long static clip both compute the same.
    network = narrow(on("resnet18", "i3d", frames=45))
    flat = narrow(on("resnet18", "tsn", frames=1))
    theirs, ours, report = moved(network, flat)
    assert not report.filled and "summed over 3 frames" in report.summary()
    volume = trunk(theirs, still(45))[:, :, 22]
    torch.testing.assert_close(trunk(ours, still(1)), volume, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tam", "tsn"),
        ("tsn", "tam"),
        ("tsm", "i3d"),
        ("s3d", "tsm"),
        ("p3d", "tsn"),
        ("tsn", "p3d"),
    ],
)
def test_policies_share_all_of_their_backbone(one: str, other: str) -> None:
    donor, network = (narrow(on("resnet50", policy, frames=16)) for policy in (one, other))
    report = transplant_weights(network, build_module(network), donor, seeded(donor))
    image = {network.image_keys.get(entry.key, entry.key) for entry in report.loaded}
    assert set(narrow(on("resnet50", "tsn")).state) <= image


@pytest.mark.parametrize(
    ("name", "there", "here"), [("tanet_resnet50", 8, 16), ("tin_resnet50", 8, 5), ("trn", 8, 12)]
)
def test_what_depends_on_frames_is_resampled(name: str, there: int, here: int) -> None:
    own = [("clip.size", 32 if name == "trn" else 40), ("classes", 5)]
    donor, network = (load(name, [*own, ("clip.frames", t)]) for t in (there, here))
    module = build_module(network)
    report = transplant_weights(network, module, donor, seeded(donor))
    resampled = [entry for entry in report.loaded if "resampled in time" in entry.how]
    changed = {key for key in donor.state if network.state.get(key, ()) != donor.state[key]}
    assert {entry.key for entry in resampled} == changed & network.state.keys()
    assert all(entry.key not in donor.state for entry in report.filled)
    x = torch.randn(1, *network.facts.input.sizes)
    assert bool(run(module.eval(), x).isfinite().all())


def test_correlation_weights_follow_the_frames() -> None:
    own = [("clip.size", 64), ("classes", 5)]
    donor = load("corrnet_26", [*own, ("clip.frames", 8)])
    network = load("corrnet_26", [*own, ("clip.frames", 16)])
    theirs, ours, report = moved(donor, network)
    assert not report.filled
    key = "layer1.1.corr.correlation.weight"
    weight, longer = theirs.state_dict()[key], ours.state_dict()[key]
    flat = weight.permute(0, 2, 3, 1).flatten(1, 2)
    wanted = F.interpolate(flat, size=longer.shape[1], mode="linear", align_corners=False)
    torch.testing.assert_close(longer.permute(0, 2, 3, 1).flatten(1, 2), wanted)


@pytest.mark.parametrize("channels", [2, 10, 15, 1])
def test_other_inputs_see_the_mean(channels: int) -> None:
    donor = narrow(on("resnet18", "i3d"))
    network = narrow(on("resnet18", "i3d", channels=channels))
    theirs, ours, report = moved(donor, network)
    kernels = (m.state_dict()["conv1.weight"] for m in (theirs, ours))
    there, here = kernels
    assert here.shape[1] == channels
    for kernel in here.unbind(1):
        torch.testing.assert_close(kernel, there.mean(1))
    assert f"adapted (3 to {channels} channels)" in report.summary()
    back = build_module(donor).double()
    assert not transplant_weights(donor, back, network, ours).filled


def test_another_number_of_classes_keeps_its_own_classifier() -> None:
    donor = narrow(on("resnet18", "tsn"))
    network = narrow({**on("resnet18", "tsn"), "classes": 9})
    module = build_module(network)
    before = module.state_dict()["fc.weight"].clone()
    report = transplant_weights(network, module, donor, seeded(donor))
    assert {entry.key for entry in report.filled} == {"fc.weight", "fc.bias"}
    torch.testing.assert_close(module.state_dict()["fc.weight"], before)


def test_what_does_not_fit_is_told_and_keeps_its_values() -> None:
    own = [("clip.size", 32), ("classes", 5)]
    donor, network = load("c3d", own), load("c3d", [*own, ("clip.frames", 32)])
    report = transplant_weights(network, build_module(network), donor, seeded(donor))
    (entry,) = report.filled
    assert entry.key == "fc6.weight" and entry.reason == "it is 4096x2048 there"


def test_a_stranger_is_refused() -> None:
    donor, network = load(on("squeezenet", "tsn")), narrow(on("resnet18", "tsn"))
    with pytest.raises(SpecError, match="none of the checkpoint's"):
        transplant_weights(network, build_module(network), donor, {"a.weight": torch.zeros(1)})


def test_an_image_network_fills_the_same_either_way() -> None:
    image, network = narrow(on("resnet18", "tsn")), narrow(on("resnet18", "i3d"))
    state = seeded(image).state_dict()
    one, other = build_module(network), build_module(network)
    transplant_weights(network, one, image, state)
    load_weights(network, other, state, image=True)
    for key, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[key])


def test_a_slow_network_goes_on_as_the_slow_pathway() -> None:
    own = [("clip.size", 32), ("classes", 5), ("head.window", None)]
    slow = load("slow_r50_8x8", [*own, ("clip.frames", 4)])
    both = load("slowfast_r50_8x8", [*own, ("clip.frames", 16)])
    theirs, ours, report = moved(slow, both)
    assert all(entry.key.startswith(("fast_", "fusion")) for entry in report.filled)
    assert "beside zeros (64 to 80 channels)" in report.summary()
    clip = torch.randn(1, 3, 16, 32, 32, dtype=torch.float64)
    frames = [int(place) for place in torch.linspace(0, 15, 4).long()]
    torch.testing.assert_close(run(ours, clip), run(theirs, clip[:, :, frames]))
    back = build_module(slow).double()
    assert not transplant_weights(slow, back, both, ours).filled
    torch.testing.assert_close(run(back.eval(), clip[:, :, :4]), run(theirs, clip[:, :, :4]))


def test_colour_starts_both_streams() -> None:
    own = [("clip.size", 32), ("classes", 5)]
    image = load("two_stream_rgb_resnet18", own)
    fused = load("two_stream_fused_resnet18", own)
    theirs, ours, report = moved(image, fused)
    assert not report.filled and not report.left_out
    state, kernels = theirs.state_dict(), ours.state_dict()
    torch.testing.assert_close(kernels["flow_conv1.weight"][:, 7], state["conv1.weight"].mean(1))
    torch.testing.assert_close(kernels["flow_layer4.1.bn2.weight"], state["layer4.1.bn2.weight"])
    frame = torch.randn(1, 23, 1, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(trunk(ours, frame), trunk(theirs, frame[:, :3]))


def test_a_volume_finds_its_pathway() -> None:
    own = [("clip.size", 64), ("classes", 5), ("clip.frames", 4)]
    lite, full = load("eco_lite", own), load("eco_full", own)
    theirs, ours, report = moved(lite, full)
    state, kernels = theirs.state_dict(), ours.state_dict()
    assert all(not entry.key.startswith("volume_") for entry in report.filled)
    key = "res4.0.conv1.weight"
    torch.testing.assert_close(kernels[f"volume_{key}"], state[key])
    torch.testing.assert_close(kernels["fc.weight"][:, 1024:], state["fc.weight"])
    assert not kernels["fc.weight"][:, :1024].any()
    again = build_module(lite).double()
    assert not transplant_weights(lite, again, full, ours).filled
    clip = torch.randn(1, 3, 4, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(run(again.eval(), clip), run(theirs, clip))


@pytest.mark.parametrize(("keep", "own"), [("first", slice(0, 3)), ("last", slice(6, 9))])
def test_frames_beside_their_flow_keep_their_weights(
    keep: Literal["first", "last"], own: slice
) -> None:
    small = [("clip.size", 32), ("classes", 5)]
    donor = load("mff_bninception_rgb", small)
    network = load("mff", small)
    module = build_module(network)
    source = seeded(donor)
    assert not transplant_weights(network, module, donor, source, keep=keep).filled
    key = "conv1.conv.weight"
    kernel, before = module.state_dict()[key], source.state_dict()[key]
    torch.testing.assert_close(kernel[:, own], before)
    rest = [n for n in range(9) if n not in range(9)[own]]
    torch.testing.assert_close(kernel[:, rest], before.mean(1, keepdim=True).expand(-1, 6, -1, -1))


def test_another_backbone_is_refused_by_name() -> None:
    donor, network = load("tsn_resnet18"), load("i3d_resnet50")
    state = {key: torch.zeros(()).expand(shape) for key, shape in donor.state.items()}
    module = nn.Module()
    with pytest.raises(SpecError) as caught:
        transplant_weights(network, module, donor, state)
    (found,) = caught.value.diagnostics
    assert found.code == "other-backbone" and found.help is not None
    assert found.message.endswith("another backbone than i3d_resnet50: resnet18, not resnet50")
    assert "`layer1.0.conv1.weight` is 64x64x3x3, not 64x64x1x1" in found.help
    assert "`layer1.0.conv3.weight` is missing there" in found.help


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("tsn_resnet18", "r2plus1d_18"),
        ("tsn_resnet50", "corrnet_50"),
        ("tsn_resnet50", "gst_resnet50"),
        ("eco_lite", "eco_full"),
        ("tsn_bninception", "eco_lite"),
        ("x3d_m", "x3d_l"),
        ("slow_r50_8x8", "slowfast_r50_8x8"),
    ],
)
def test_what_differs_for_other_reasons_is_the_same_backbone(there: str, here: str) -> None:
    donor, network = load(there), load(here)
    check_backbones(network, donor)
    check_backbones(donor, network)


def test_backbones_of_another_width_differ() -> None:
    with pytest.raises(SpecError, match=r"resnet18, not resnet18 \(width 0.25\)"):
        check_backbones(load("tsn_resnet18", [("backbone.width", 0.25)]), load("tsn_resnet18"))
