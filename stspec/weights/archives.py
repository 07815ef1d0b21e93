"""The files that hold weights, opened: torch's two formats, safetensors, pickles of arrays."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from stspec.weights.arrays import Array, CorruptTensorError
from stspec.weights.pickles import (
    BFLOAT16,
    Inert,
    Kind,
    StorageRef,
    TensorRef,
    TensorUnpickler,
)

# What torch's format from before zip begins with.
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001

_SAFE_KINDS = {
    "F64": "f8",
    "F32": "f4",
    "F16": "f2",
    "BF16": BFLOAT16,
    "I64": "i8",
    "I32": "i4",
    "I16": "i2",
    "I8": "i1",
    "U64": "u8",
    "U32": "u4",
    "U16": "u2",
    "U8": "u1",
    "BOOL": "?",
}
_LONGEST_HEADER = 100_000_000


class BadFileError(ValueError):
    """A file that cannot be read: `str` says why, `help` what to do."""

    def __init__(self, why: str, help: str | None = None) -> None:
        super().__init__(why)
        self.help = help


@dataclass(frozen=True, slots=True)
class Archive:
    """An opened file: its object, tensors being references, and how to read one of those."""

    root: Any
    read: Callable[[TensorRef], Array]


def open_archive(path: Path) -> contextlib.AbstractContextManager[Archive]:
    """Open a file by what it begins with. Reading raises BadFileError where it is not whole."""
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise BadFileError("the file is empty")
    if start.startswith(b"PK"):
        return _zip(path)
    if start.startswith(b"version https://git-lfs"):
        raise BadFileError("the file is a Git LFS pointer, not the weights", "run `git lfs pull`")
    if start.lstrip()[:1] == b"<":
        raise BadFileError("the file is a web page, not weights", "download it again")
    if _is_safetensors(start, path.stat().st_size):
        return _safetensors(path)
    if start.startswith(b"\x80"):
        return _legacy(path)
    if tarfile.is_tarfile(path):
        raise BadFileError(
            "the file is in the tar format of torch's first releases",
            "load and save it again with a newer torch",
        )
    raise BadFileError("the file is neither torch's nor safetensors'")


@contextlib.contextmanager
def _zip(path: Path) -> Any:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise BadFileError("the file is cut short or damaged", "download it again") from error
    with archive:
        names = archive.namelist()
        root = next((n.removesuffix("data.pkl") for n in names if n.endswith("data.pkl")), None)
        if root is None or root.count("/") > 1:
            raise BadFileError("the zip archive holds no state dict of torch")
        if root + "constants.pkl" in names:
            raise BadFileError(
                "the file is a TorchScript program, which holds code",
                "save the module's `state_dict()` with torch.save instead",
            )
        order: Literal["<", ">"] = "<"
        if root + "byteorder" in names and archive.read(root + "byteorder") == b"big":
            order = ">"

        @lru_cache(maxsize=1)  # tensors that share a storage follow one another
        def storage(key: str) -> bytes:
            return archive.read(f"{root}data/{key}")

        found = _unpickle(io.BytesIO(archive.read(root + "data.pkl")))
        yield Archive(found, lambda tensor: tensor.read(storage, order))


@contextlib.contextmanager
def _legacy(path: Path) -> Any:
    with path.open("rb") as file:
        first = _unpickle(file)
        if isinstance(first, dict) and not isinstance(first, Inert):
            yield Archive(first, _no_storages)
            return
        if first != _MAGIC:
            raise BadFileError("the file is a pickle that torch.save did not write")
        if _unpickle(file) != _PROTOCOL:
            raise BadFileError("the file is in a version of torch's format that is not known")
        _unpickle(file)  # the machine that wrote it
        unpickler = TensorUnpickler(file)
        root = _guarded(unpickler.load)
        places = _places(file, _unpickle(file), unpickler.kinds)

        @lru_cache(maxsize=1)
        def storage(key: str) -> bytes:
            start, size = places[key]
            file.seek(start)
            return file.read(size)

        yield Archive(root, lambda tensor: tensor.read(storage))


def _no_storages(_tensor: TensorRef) -> Array:
    raise CorruptTensorError("a plain pickle has no storages")


def _places(file: IO[bytes], keys: Any, kinds: dict[str, Kind]) -> dict[str, tuple[int, int]]:
    """Where each storage's bytes lie: they follow one another, each behind its element count."""
    size = file.seek(0, io.SEEK_CUR)
    end = file.seek(0, io.SEEK_END)
    file.seek(size)
    places = {}
    if not isinstance(keys, list):
        raise BadFileError("the file is damaged: it does not list its storages")
    for key in map(str, keys):
        head = file.read(8)
        if len(head) < 8 or key not in kinds:
            raise BadFileError("the file is cut short or damaged", "download it again")
        (count,) = struct.unpack("<q", head)
        start, length = file.tell(), count * kinds[key].itemsize
        if count < 0 or start + length > end:
            raise BadFileError("the file is cut short or damaged", "download it again")
        places[key] = (start, length)
        file.seek(start + length)
    return places


def _unpickle(file: IO[bytes]) -> Any:
    return _guarded(TensorUnpickler(file).load)


def _guarded(load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:  # a damaged pickle can raise anything
        raise BadFileError(
            f"the file is cut short or damaged ({type(error).__name__})", "download it again"
        ) from error


def _is_safetensors(start: bytes, size: int) -> bool:
    if len(start) < 9 or start[8:9] != b"{":
        return False
    (length,) = struct.unpack("<Q", start[:8])
    return bool(2 <= length <= min(size, _LONGEST_HEADER))


@contextlib.contextmanager
def _safetensors(path: Path) -> Any:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        try:
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            tensors = {name: _safe_tensor(name, about) for name, about in header.items()}
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise BadFileError("its header is damaged", "download it again") from error
        spans = {name: about["data_offsets"] for name, about in header.items()}

        def storage(key: str) -> bytes:
            first, last = spans[key]
            file.seek(8 + length + first)
            data = file.read(last - first)
            if len(data) != last - first:
                raise CorruptTensorError("the file is cut short")
            return data

        yield Archive(tensors, lambda tensor: tensor.read(storage))


def _safe_tensor(name: str, about: Any) -> TensorRef:
    shape = tuple(int(n) for n in about["shape"])
    if about["dtype"] not in _SAFE_KINDS:
        raise BadFileError(f"`{name}` is of type {about['dtype']}, which is not read here")
    kind = Kind(_SAFE_KINDS[about["dtype"]])
    first, last = about["data_offsets"]
    if not 0 <= first <= last or last - first != int(np.prod(shape, dtype=object)) * kind.itemsize:
        raise ValueError("sizes disagree")
    strides = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * shape[i + 1]
    return TensorRef(StorageRef(name, kind), 0, shape, tuple(strides))
