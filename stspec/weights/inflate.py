"""A spatial convolution's weights become a spatio-temporal one's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.weights.arrays import Array

Policy = Literal["repeat", "average", "center", "zero_init", "scratch"]

Keep = Literal["none", "first", "last"]
"""Which channels of a stem keep their own weights where a network has others."""

POLICIES: tuple[str, ...] = get_args(Policy)

SAME_IN_2D = ("repeat", "average", "center")
"""Policies that take a 2D kernel over as it is where the model's spans one frame."""


def inflate(kernel: Array, frames: int, policy: str) -> Array | None:
    """Return the (O, I, frames, kh, kw) kernel that a policy makes of an (O, I, kh, kw) one.

    - ``repeat``: every frame's tap is the 2D kernel, so a static clip gives `frames` times the
      2D activation (what IBM's code does, whose batch norms absorb the factor);
    - ``average``: repeated and divided by `frames`, so a static clip gives the 2D activation;
    - ``center``: the 2D kernel at the frame that the output stands at (index ``frames // 2``),
      zero elsewhere, so any clip gives the 2D activations of its frames;
    - ``zero_init``: zero everywhere, so the convolution starts as silence;
    - ``scratch``: nothing is taken over; the result is None.

    With one frame the policies SAME_IN_2D give the 2D kernel itself. Raises SpecError for an
    unknown policy.
    """
    check_policy(policy)
    assert kernel.ndim == 4 and frames >= 1, (kernel.shape, frames)
    if policy == "scratch":
        return None
    if policy in ("repeat", "average"):
        inflated = np.repeat(kernel[:, :, None], frames, axis=2)
        # In place, to keep the kernel's own precision.
        return inflated if policy == "repeat" else np.divide(inflated, frames, out=inflated)
    o, i, height, width = kernel.shape
    inflated = np.zeros((o, i, frames, height, width), dtype=kernel.dtype)
    if policy == "center":
        inflated[:, :, frames // 2] = kernel
    return inflated


def adapt_channels(kernel: Array, channels: int, *, keep: Keep = "none") -> Array:
    """Return a stem's kernel (O, I, ...) for another number of input channels.

    Every new channel gets the mean over the old ones (Wang et al., ECCV 2016), which is how RGB
    weights start a network on optical flow or on differences of frames. With `keep` the first
    channels keep their own, frames in front of their differences, or the last: frames behind
    their optical flow, as motion fused frames have it.
    """
    mean = kernel.mean(axis=1, keepdims=True, dtype=np.float64).astype(kernel.dtype)
    adapted = np.repeat(mean, channels, axis=1)
    kept = min(channels, kernel.shape[1])
    if keep == "first":
        adapted[:, :kept] = kernel[:, :kept]
    elif keep == "last":
        adapted[:, channels - kept :] = kernel[:, kernel.shape[1] - kept :]
    return adapted


def resize_kernel(kernel: Array, frames: int) -> Array:
    """Return a kernel (O, I, T, kh, kw) over another number of frames.

    Taps keep their distance from the frame that the output stands at (index ``T // 2``). A longer
    kernel has zeros around them, so it computes the same; a shorter one adds the taps that it
    lacks to its outermost, so a static clip gives the same.
    """
    assert kernel.ndim == 5 and frames >= 1, (kernel.shape, frames)
    length = kernel.shape[2]
    resized = np.zeros((*kernel.shape[:2], frames, *kernel.shape[3:]), dtype=kernel.dtype)
    for tap in range(length):
        place = tap - length // 2 + frames // 2
        resized[:, :, min(max(place, 0), frames - 1)] += kernel[:, :, tap]
    return resized


@dataclass(frozen=True, slots=True)
class Along:
    """An axis of a parameter along which frames run, `inner` entries to each.

    Where frames are read, products with them are summed; else each entry gives something.
    """

    axis: int
    reads: bool = False
    inner: int = 1


def resample(array: Array, along: Along, size: int) -> Array | None:
    """Return a parameter for another number of frames, or None where they do not come out even.

    It then computes what it did on the clip resampled to its own frames: what it gives to frames
    is interpolated linearly, and what it reads is read from interpolated frames, so that a static
    clip gives the same.
    """
    there = array.shape[along.axis]
    if there % along.inner or size % along.inner:
        return None
    old, new = there // along.inner, size // along.inner
    apart = np.moveaxis(array, along.axis, 0).reshape(old, along.inner, -1)
    matrix = interpolation(new, old).T if along.reads else interpolation(old, new)
    mixed = np.tensordot(matrix, apart.astype(np.float64), axes=1)
    whole = mixed.reshape(size, *np.moveaxis(array, along.axis, 0).shape[1:])
    return np.ascontiguousarray(np.moveaxis(whole, 0, along.axis).astype(array.dtype))


def interpolation(there: int, here: int) -> Array:
    """Return the matrix (here, there) that interpolates a signal linearly; its rows sum to 1.

    Both signals span the same time, so that samples stand in the middle of their parts of it.
    """
    places = np.clip((np.arange(here) + 0.5) * there / here - 0.5, 0, there - 1)
    below = np.minimum(places.astype(int), max(there - 2, 0))
    above = np.minimum(below + 1, there - 1)
    share = places - below
    matrix = np.zeros((here, there))
    rows = np.arange(here)
    np.add.at(matrix, (rows, below), 1 - share)
    np.add.at(matrix, (rows, above), share)
    return matrix


def check_policy(policy: str) -> None:
    """Raise SpecError unless `policy` is one of POLICIES."""
    if policy not in POLICIES:
        message = f"there is no way of inflating named `{policy}`"
        raise SpecError(Diagnostic("unknown-policy", message, help=did_you_mean(policy, POLICIES)))
