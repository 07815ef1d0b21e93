"""Arrays of numpy in a pickle, rebuilt from their bytes: nothing of numpy is called for them.

What numpy writes names three functions and two classes; each has a stand-in here that keeps what
it is given. Pickles of Python 2 hold the bytes as text, which is Latin-1.
"""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np

from stspec.weights.arrays import Array, CorruptTensorError

_KINDS = frozenset("biufc")
"""numpy's kinds of numbers: booleans, integers, floats, complex ones."""


class HeldType:
    """Stands for a numpy dtype: its code and its byte order."""

    code = ""
    order = "<"

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code = _text(code)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1:
            self.order = _text(state[1])

    def dtype(self) -> np.dtype[Any]:
        """Return the type of numbers.

        Raises:
            CorruptTensorError: if it is one of anything else, such as objects or records.
        """
        if len(self.code) > 3 or self.code[:1] not in _KINDS or not self.code[1:].isdigit():
            raise CorruptTensorError(f"its elements are no numbers but {self.code:.20}")
        return np.dtype(self.code).newbyteorder(">" if self.order == ">" else "<")


class HeldArray:
    """Stands for an array of numpy: its shape, its type and its bytes."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.kind: HeldType | None = None
        self.fortran = False
        self.data: bytes | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("an array that numpy does not write")
        _, shape, kind, fortran, data = state
        self.hold(shape, kind, bool(fortran), data)

    def hold(self, shape: Any, kind: Any, fortran: bool, data: Any) -> None:
        """Keep what the array is made of."""
        if not isinstance(kind, HeldType):
            raise pickle.UnpicklingError("an array of an unknown type")
        self.shape = tuple(int(n) for n in shape)
        self.kind, self.fortran = kind, fortran
        # Arrays of objects hold a list of them.
        self.data = None if isinstance(data, list) else _bytes(data)

    def read(self) -> Array:
        """Return the values, contiguous and in this machine's byte order.

        Raises:
            CorruptTensorError: if bytes and shape disagree, or they are no numbers.
        """
        if self.kind is None or self.data is None:
            raise CorruptTensorError("its elements are no numbers")
        dtype = self.kind.dtype()
        if min((0, *self.shape)) < 0 or math.prod(self.shape) * dtype.itemsize != len(self.data):
            raise CorruptTensorError("its size is not that of its shape")
        flat = np.frombuffer(self.data, dtype)
        view = flat.reshape(self.shape, order="F" if self.fortran else "C")
        return np.array(view, dtype=dtype.newbyteorder("="), order="C")


def rebuilders() -> dict[str, Any]:
    """Return what a pickle may call for an array, by name. Made anew for each file."""

    def reconstruct(*_: Any) -> HeldArray:
        return HeldArray()

    def from_buffer(data: Any, kind: Any, shape: Any, order: Any = "C") -> HeldArray:
        array = HeldArray()
        array.hold(shape, kind, order == "F", data)
        return array

    def encode(text: Any, encoding: Any = "latin1") -> bytes:
        if encoding not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError("a text in an encoding that numpy does not write")
        return _bytes(text)

    def nothing(*args: Any) -> bytes:
        if args:
            raise pickle.UnpicklingError("bytes that numpy does not write")
        return b""

    found: dict[str, Any] = {"numpy.dtype": HeldType, "_codecs.encode": encode}
    found |= {"__builtin__.bytes": nothing, "builtins.bytes": nothing}
    for core in ("numpy.core", "numpy._core"):
        found[f"{core}.multiarray._reconstruct"] = reconstruct
        found[f"{core}.numeric._frombuffer"] = from_buffer
    return found


def _bytes(data: Any) -> bytes:
    if isinstance(data, str):
        return data.encode("latin1")
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise pickle.UnpicklingError("an array without bytes")


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)
