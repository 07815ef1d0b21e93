"""What the ways of inflating mean, tested against convolutions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from stspec.diagnostics import SpecError
from stspec.weights.arrays import Array
from stspec.weights.inflate import POLICIES, adapt_channels, inflate

sizes = st.integers(1, 3)
frames = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)


def kernel_of(seed: int, out: int, into: int, k: int) -> Array:
    return np.random.default_rng(seed).standard_normal((out, into, k, k))


def clip_of(seed: int, channels: int, length: int) -> Array:
    return np.random.default_rng(seed + 1).standard_normal((1, channels, length, 6, 5))


def convolve(clip: Array, kernel: Array, padding: int = 0) -> Array:
    """3D convolution (N, C, T, H, W), padded in time."""
    result = F.conv3d(torch.tensor(clip), torch.tensor(kernel), padding=(padding, 1, 1))
    return np.asarray(result)


def convolve_frame(frame: Array, kernel: Array) -> Array:
    return np.asarray(F.conv2d(torch.tensor(frame), torch.tensor(kernel), padding=1))


@settings(deadline=None)
@given(seeds, sizes, sizes, frames, st.sampled_from(["repeat", "average"]))
def test_a_static_clip_gives_the_2d_activation(
    seed: int, out: int, into: int, t: int, policy: str
) -> None:
    kernel = kernel_of(seed, out, into, 3)
    frame = clip_of(seed, into, 1)
    inflated = inflate(kernel, t, policy)
    assert inflated is not None and inflated.shape == (out, into, t, 3, 3)
    still = np.repeat(frame, t, axis=2)
    expected = convolve_frame(frame[:, :, 0], kernel) * (t if policy == "repeat" else 1)
    np.testing.assert_allclose(convolve(still, inflated)[:, :, 0], expected, atol=1e-12)


@settings(deadline=None)
@given(seeds, sizes, st.sampled_from([1, 3, 5]), st.integers(1, 6))
def test_center_gives_the_2d_activation_of_every_frame_of_any_clip(
    seed: int, width: int, t: int, length: int
) -> None:
    kernel = kernel_of(seed, width, 2, 3)
    clip = clip_of(seed, 2, length)
    inflated = inflate(kernel, t, "center")
    assert inflated is not None
    result = convolve(clip, inflated, padding=t // 2)
    for i in range(length):
        np.testing.assert_allclose(
            result[:, :, i], convolve_frame(clip[:, :, i], kernel), atol=1e-12
        )


def test_zero_init_is_silent_and_scratch_takes_nothing() -> None:
    kernel = kernel_of(0, 2, 3, 3).astype(np.float32)
    silent = inflate(kernel, 3, "zero_init")
    assert silent is not None and not silent.any()
    assert silent.shape == (2, 3, 3, 3, 3)
    assert inflate(kernel, 3, "scratch") is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy != "scratch"])
def test_precision_is_kept(dtype: type, policy: str) -> None:
    inflated = inflate(kernel_of(0, 2, 3, 3).astype(dtype), 4, policy)
    assert inflated is not None and inflated.dtype == dtype


def test_unknown_ways_are_answered() -> None:
    with pytest.raises(SpecError) as caught:
        inflate(kernel_of(0, 1, 1, 3), 3, "centre")
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == ("unknown-policy", "did you mean `center`?")


@settings(deadline=None)
@given(seeds, st.integers(1, 12))
def test_adapted_channels_see_the_mean(seed: int, channels: int) -> None:
    kernel = kernel_of(seed, 2, 3, 3)
    adapted = adapt_channels(kernel, channels)
    assert adapted.shape == (2, channels, 3, 3)
    grey = clip_of(seed, 1, 1)[:, :, 0]
    result = convolve_frame(np.repeat(grey, channels, axis=1), adapted)
    expected = convolve_frame(np.repeat(grey, 3, axis=1), kernel) * channels / 3
    np.testing.assert_allclose(result, expected, atol=1e-12)
