"""A spatial convolution's weights become a spatio-temporal one's."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.weights.arrays import Array

Policy = Literal["repeat", "average", "center", "zero_init", "scratch"]

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


def adapt_channels(kernel: Array, channels: int) -> Array:
    """Return a stem's kernel (O, I, ...) for another number of input channels.

    Every new channel gets the mean over the old ones (Wang et al., ECCV 2016), which is how RGB
    weights start a network on optical flow or on differences of frames.
    """
    mean = kernel.mean(axis=1, keepdims=True, dtype=np.float64).astype(kernel.dtype)
    return np.repeat(mean, channels, axis=1)


def check_policy(policy: str) -> None:
    """Raise SpecError unless `policy` is one of POLICIES."""
    if policy not in POLICIES:
        message = f"there is no way of inflating named `{policy}`"
        raise SpecError(Diagnostic("unknown-policy", message, help=did_you_mean(policy, POLICIES)))
