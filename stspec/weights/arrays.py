"""Arrays as the importers need them: taken as they come, reshaped without changing their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

COUNTERS = ("num_batches_tracked", "n_averaged")
"""Leaves of what torch's norms count, and its averaged models, and older checkpoints lack."""


class CorruptTensorError(ValueError):
    """A tensor whose bytes are not those of its shape, or that repeats them without measure."""


class HasShape(Protocol):
    """A tensor of any library that numpy can read."""

    @property
    def shape(self) -> Sequence[int]:
        """Sizes of its axes."""


def as_array(value: HasShape) -> Array:
    """Return the tensor as a numpy array, without a copy where the library allows it.

    Tensors of torch are taken off their graph and device; bfloat16, which numpy lacks, becomes
    float32.
    """
    if isinstance(value, np.ndarray):
        return value
    tensor: Any = value
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        if str(tensor.dtype).startswith(("torch.bfloat16", "torch.float8")):
            tensor = tensor.float()
    return np.asarray(tensor)


def is_counter(key: str) -> bool:
    """Tell whether a key names a counter, which no evaluation reads."""
    return key.rpartition(".")[2] in COUNTERS


def reshaped(array: Array, shape: Shape) -> Array | None:
    """Return the array in a shape that has axes of size 1 more or fewer, else None.

    Of as many axes none may be another: a kernel of 1x7 is none of 7x1.
    """
    if array.ndim == len(shape):
        return array if array.shape == tuple(shape) else None
    if tuple(n for n in array.shape if n != 1) != tuple(n for n in shape if n != 1):
        return None
    return array.reshape(shape)


def size_text(shape: Sequence[int]) -> str:
    """Return a shape as messages show it: ``64x3x7x7``, or ``a single number``."""
    return "x".join(str(n) for n in shape) if len(shape) else "a single number"
