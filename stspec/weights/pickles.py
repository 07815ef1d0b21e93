"""Reads what torch.save writes, tensors alone: no code of the file runs, and torch is not needed.

A pickle may name any function of any module and have it called. Here it gets five things:
ordered dicts, storages, the few functions that put a tensor together, stand-ins for those that
put an array of numpy together, and for everything else a stand-in that takes whatever is done to
it and does nothing. Tensors stay references into their storages until they are asked for, so an
optimiser's state is never read.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Literal, TypeAlias

import numpy as np

from stspec.weights.arrays import Array, CorruptTensorError
from stspec.weights.numpy_pickles import rebuilders

Read: TypeAlias = Callable[[str], bytes]

# numpy has no bfloat16: its upper half of a float32 is read as an integer and widened.
BFLOAT16 = "bfloat16"
_STORAGES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
    "ComplexFloatStorage": "c8",
    "ComplexDoubleStorage": "c16",
    "UntypedStorage": "u1",
}
_DTYPES = {"uint16": "u2", "uint32": "u4", "uint64": "u8"}

# A tensor may repeat its storage (stride 0); more than this is an attack on memory.
_LARGEST_REPEATED = 1 << 30


@dataclass(frozen=True, slots=True)
class Kind:
    """What a storage's bytes are: a numpy type code, or BFLOAT16."""

    code: str

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return 2 if self.code == BFLOAT16 else np.dtype(self.code).itemsize


@dataclass(frozen=True, slots=True)
class StorageRef:
    """A storage that lies elsewhere in the file; `start` and `count` are in elements."""

    key: str
    kind: Kind
    start: int = 0


@dataclass(frozen=True, slots=True)
class TensorRef:
    """A tensor that has not been read: a strided view of a storage."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, read: Read, order: Literal["<", ">"] = "<") -> Array:
        """Return the tensor's values, contiguous; `read` gives a storage's bytes by its key.

        Raises CorruptTensorError where the view does not lie inside the storage.
        """
        kind = self.storage.kind
        dtype = np.dtype("u2" if kind.code == BFLOAT16 else kind.code).newbyteorder(order)
        data = read(self.storage.key)
        flat = np.frombuffer(data, dtype, count=len(data) // dtype.itemsize)
        view = self._view(flat, self.storage.start + self.offset)
        if kind.code == BFLOAT16:
            return (view.astype(np.uint32) << 16).view(np.float32)
        return np.array(view, dtype=dtype.newbyteorder("="), order="C")

    def _view(self, flat: Array, start: int) -> Array:
        if len(self.shape) != len(self.strides) or min((0, start, *self.shape, *self.strides)) < 0:
            raise CorruptTensorError("it has a negative size, stride or offset")
        if 0 in self.shape:
            return np.empty(self.shape, flat.dtype)
        reach = sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        if start + reach >= flat.size:
            raise CorruptTensorError("it reaches beyond its storage")
        count = 1
        for n in self.shape:
            count *= n
        if count > flat.size and count * flat.itemsize > _LARGEST_REPEATED:
            raise CorruptTensorError("it repeats its storage without measure")
        steps = tuple(step * flat.itemsize for step in self.strides)
        return np.lib.stride_tricks.as_strided(flat[start:], self.shape, steps, writeable=False)


class Inert(dict[Any, Any]):
    """Stands for an object of an unknown class: keeps items, ignores the rest.

    It is a dict because classes of configurations and of state dicts often are.
    """

    qualified = "an unknown class"

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        super().__init__()

    def __call__(self, *_args: object, **_kwargs: object) -> Inert:
        """Ignore a call of what was a function."""
        return self

    def __setstate__(self, _state: object) -> None:
        pass

    def append(self, _item: object) -> None:
        """Ignore an item of what was a list."""

    def extend(self, _items: object) -> None:
        """Ignore the items of what was a list."""

    def add(self, _item: object) -> None:
        """Ignore an item of what was a set."""


class TensorUnpickler(pickle.Unpickler):
    """Rebuilds containers, plain values and references to tensors; nothing else exists for it.

    `kinds` collects the storages that it met.
    """

    def __init__(self, file: IO[bytes]) -> None:
        # Checkpoints of Python 2 hold byte strings: names, which are ASCII, and numpy's data.
        super().__init__(file, encoding="latin1")
        self._known = _rebuilders() | rebuilders()
        self._inert: dict[str, type[Inert]] = {}
        self.kinds: dict[str, Kind] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name of the pickle stands for; never imports anything."""
        if module in ("torch", "torch.storage", "torch.cuda") and name in _STORAGES:
            return Kind(_STORAGES[name])
        if module == "torch" and name in _DTYPES:
            return Kind(_DTYPES[name])
        full = f"{module}.{name}"
        if full in self._known:
            return self._known[full]
        if full not in self._inert:
            # A class of its own, so that what a pickle does to one reaches no other load.
            self._inert[full] = type("Inert", (Inert,), {"qualified": full})
        return self._inert[full]

    def persistent_load(self, pid: Any) -> Any:
        """Return the storage that a persistent identifier names."""
        if not isinstance(pid, tuple) or not pid:
            raise pickle.UnpicklingError("an identifier that torch does not write")
        tag = pid[0].decode() if isinstance(pid[0], bytes) else pid[0]
        if tag == "module":  # a container with its source, in files of old versions
            return pid[1]
        kind = pid[1]
        if tag != "storage" or not isinstance(kind, Kind):
            raise pickle.UnpicklingError("a storage of an unknown type")
        view = pid[5] if len(pid) > 5 else None
        start = 0 if view is None else int(view[1])
        key = str(pid[2])
        self.kinds[key] = kind
        return StorageRef(key, kind, start)


def _rebuilders() -> dict[str, Any]:
    """What a pickle may call. Made anew for each file: a pickle can set a function's attributes."""

    def tensor(storage: StorageRef, offset: int, shape: Any, strides: Any, *_: Any) -> TensorRef:
        if not isinstance(storage, StorageRef):
            raise pickle.UnpicklingError("a tensor without a storage")
        sizes = tuple(int(n) for n in shape)
        return TensorRef(storage, int(offset), sizes, tuple(int(n) for n in strides))

    def typed(storage: Any, offset: int, shape: Any, strides: Any, *rest: Any) -> TensorRef:
        kind = rest[2]  # behind requires_grad and the hooks
        if not isinstance(kind, Kind) or not isinstance(storage, StorageRef):
            raise pickle.UnpicklingError("a tensor of an unknown type")
        return tensor(StorageRef(storage.key, kind, storage.start), offset, shape, strides)

    def same(value: Any, *_: Any) -> Any:
        return value

    def of_type(function: Any, _type: Any, args: Any, _state: Any) -> Any:
        return function(*args)

    return {
        "collections.OrderedDict": OrderedDict,
        "torch.Size": tuple,
        "torch._utils._rebuild_tensor": tensor,
        "torch._utils._rebuild_tensor_v2": tensor,
        "torch._utils._rebuild_tensor_v3": typed,
        "torch._utils._rebuild_parameter": same,
        "torch._utils._rebuild_parameter_with_state": same,
        "torch._tensor._rebuild_from_type_v2": of_type,
    }
