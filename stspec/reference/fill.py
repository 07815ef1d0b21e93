"""Weights and inputs that anyone can make again, so that programs compare without files.

Every tensor is a function of its key and shape alone. The bits come from PCG64 seeded with the
CRC-32 of the key; what they become depends on the last segment of the key and on the rank.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WEIGHT_GAIN = 1.2
"""Standard deviation of a weight, times the square root of its fan-in."""

INPUT_REACH = 1.7
"""Inputs are uniform in [-INPUT_REACH, INPUT_REACH)."""


def _uniform(seed: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Numbers in [0, 1) that belong to `seed`."""
    return np.random.Generator(np.random.PCG64(zlib.crc32(seed.encode()))).random(shape)


def fill_tensor(key: str, shape: Sequence[int]) -> NDArray[Any]:
    """Return the tensor of a state-dict key: float32, or int64 zeros for a batch counter.

    Weights of rank 2 and more have the standard deviation ``WEIGHT_GAIN / sqrt(fan_in)``;
    scales and running variances lie in [0.5, 1.5), biases within 0.02 and running means within
    0.1 of zero. A key whose last segment contains "bias" counts as a bias where its rank is
    below 2.
    """
    shape = tuple(shape)
    leaf = key.rpartition(".")[2]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, dtype=np.int64)
    values = _uniform(key, shape)
    if leaf == "running_mean":
        values -= 0.5
        values *= 0.2
    elif leaf != "running_var" and len(shape) >= 2:
        # The order of the products is part of the definition: it decides the last bit.
        values *= 2
        values -= 1
        values *= math.sqrt(3 / math.prod(shape[1:]))
        values *= WEIGHT_GAIN
    elif leaf != "running_var" and "bias" in leaf:
        values -= 0.5
        values *= 0.04
    else:
        values += 0.5
    return values.astype(np.float32)


def fill_input(shape: Sequence[int]) -> NDArray[np.float32]:
    """Return the float32 network input of a shape."""
    return ((_uniform("input", tuple(shape)) * 2 - 1) * INPUT_REACH).astype(np.float32)


def fill_state_dict(shapes: Mapping[str, Sequence[int]]) -> dict[str, NDArray[Any]]:
    """Return a state dict filled by key, from a mapping of key to shape."""
    return {key: fill_tensor(key, shape) for key, shape in shapes.items()}
