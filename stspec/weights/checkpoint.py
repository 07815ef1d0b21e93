"""Checkpoints: files of weights of torch or safetensors, read as data alone, and written.

Reading a torch file runs none of its code and needs no torch: see `pickles`.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from stspec.diagnostics import Diagnostic, SpecError, display_path
from stspec.output import write_bytes
from stspec.weights.archives import Archive, BadFileError, open_archive
from stspec.weights.arrays import Array, CorruptTensorError, HasShape, as_array
from stspec.weights.numpy_pickles import HeldArray
from stspec.weights.pickles import Inert, TensorRef

CONTAINERS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "weights",
    "params",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema",
    "blobs",
)
"""Keys under which training programs nest a state dict, the likeliest first."""

SIDECAR = ".json"
_KEYS = {"meta", "sha256", "tensors"}

# What reading a damaged archive has been seen to raise, zipfile's own error being one of many.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    MemoryError,
    OverflowError,
    RuntimeError,  # zipfile's of encrypted parts and of compressions that it does not know
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state dict as it lay in a file: contiguous arrays of this machine's byte order.

    `container` is the path of keys under which the state dict was nested ("" where it was the
    whole), `others` are those of further state dicts of the file, such as one of averaged weights.
    `meta` is the sidecar's content, empty where there is none.
    """

    path: Path
    state: Mapping[str, Array]
    container: str
    meta: Mapping[str, Any]
    others: tuple[str, ...] = ()


def read_checkpoint(path: Path | str, container: str | None = None) -> Checkpoint:
    """Read the tensors of a .pt, .pth, .safetensors or .pkl file, told by its content.

    `container` is the path of keys, joined by dots, of the state dict that is meant, in a file of
    several; the likeliest where it is None. bfloat16 becomes float32. Objects of any class other
    than tensors are left out, never built. Raises SpecError where the file cannot be read or
    holds no state dict, or none of that path.
    """
    path = Path(path)
    try:
        with open_archive(path) as archive:
            container, found = (
                _find(archive.root) if container is None else _named(archive.root, container)
            )
            others = _others(archive.root, container, len(found))
            state = dict(_tensors(archive, found))
    except BadFileError as error:
        raise _error(path, str(error), error.help) from None
    except _DAMAGE as error:
        help_text = "download it again"
        raise _error(path, f"the file is cut short or damaged ({error})", help_text) from None
    except OSError as error:
        raise _error(path, (error.strerror or str(error)).lower(), None) from None
    return Checkpoint(path, MappingProxyType(state), container, _sidecar(path), others)


def write_safetensors(
    path: Path | str, state: Mapping[str, HasShape], meta: Mapping[str, Any] | None = None
) -> None:
    """Write tensors, each as a contiguous copy, and beside them `path` + ".json".

    The sidecar holds `meta` (plain JSON values), the SHA-256 of the tensors' file, its keys with
    their shapes, and a SHA-256 of all that. Each file appears whole or not at all, the sidecar
    last. Tensors of torch may lie on any device and in any memory format; bfloat16 is widened to
    float32.

    Raises SpecError where a file cannot be written.
    """
    from safetensors.numpy import save

    path = Path(path)
    arrays = {key: np.ascontiguousarray(as_array(value)) for key, value in state.items()}
    # ascontiguousarray makes scalars one-dimensional.
    arrays = {key: array.reshape(tuple(state[key].shape)) for key, array in arrays.items()}
    data = save(arrays)
    about = {
        "meta": dict(meta or {}),
        "sha256": hashlib.sha256(data).hexdigest(),
        "tensors": {key: list(array.shape) for key, array in arrays.items()},
    }
    text = json.dumps({**about, "check": _check_sum(about)}, indent=1) + "\n"
    _write(path, data)
    _write(_sidecar_path(path), text.encode())


def _find(root: Any) -> tuple[str, Mapping[Any, Any]]:
    """The state dict in what a file holds, and the keys that lead to it."""
    if isinstance(root, Mapping):
        # Nested ones first: beside them lie tensors of the training loop (`best_prec1`).
        nested: list[tuple[tuple[str, ...], Any]] = [((key,), root.get(key)) for key in CONTAINERS]
        nested += [
            ((*path, key), inner.get(key))
            for path, inner in tuple(nested)
            if isinstance(inner, Mapping)
            for key in CONTAINERS
        ]
        for path, inner in (*nested, ((), root)):
            if isinstance(inner, Mapping) and _has_tensors(inner):
                return ".".join(path), inner
    raise BadFileError(_nothing(root), "save the module's `state_dict()` with torch.save instead")


def _named(root: Any, container: str) -> tuple[str, Mapping[Any, Any]]:
    """The state dict of a path of keys."""
    found = dict(_state_dicts(root))
    if container not in found:
        names = ", ".join(f"`{name}`" for name in found if name)
        raise BadFileError(f"it has no state dict `{container}`", names and f"it has {names}")
    return container, found[container]


def _others(root: Any, container: str, size: int) -> tuple[str, ...]:
    """The paths of further state dicts: smaller ones by far are of the training loop."""
    return tuple(
        name for name, inner in _state_dicts(root) if name != container and 2 * len(inner) > size
    )


def _state_dicts(root: Any) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Every mapping to tensors by its path of keys, at most two long."""
    level: list[tuple[tuple[str, ...], Any]] = [((), root)]
    for _ in range(3):
        yield from ((".".join(path), inner) for path, inner in level if _has_tensors(inner))
        level = [
            ((*path, key), value)
            for path, inner in level
            if isinstance(inner, Mapping)
            for key, value in inner.items()
            if isinstance(key, str) and isinstance(value, Mapping)
        ]


def _nothing(root: Any) -> str:
    objects = [root, *(root.values() if isinstance(root, Mapping) else ())]
    for found in objects:
        if isinstance(found, Inert):
            return f"the file holds an object of `{found.qualified}` and no state dict"
    if isinstance(root, Mapping):
        keys = ", ".join(f"`{key}`" for key in list(root)[:5])
        return f"the file holds no state dict, only {keys or 'an empty mapping'}"
    kind = "tensor" if isinstance(root, TensorRef | HeldArray) else type(root).__name__
    return f"the file holds a {kind} and no state dict"


def _has_tensors(value: Any) -> bool:
    return isinstance(value, Mapping) and any(
        isinstance(item, TensorRef | HeldArray) and isinstance(key, str)
        for key, item in value.items()
    )


def _tensors(archive: Archive, found: Mapping[Any, Any]) -> Iterator[tuple[str, Array]]:
    """The tensors of a state dict, which may hold other values beside them."""
    for key, value in found.items():
        if isinstance(value, Inert) and value.qualified.startswith("torch."):
            kind = value.qualified.rpartition(".")[2]
            raise BadFileError(f"its tensor `{key}` is of a kind that is not read here ({kind})")
        if isinstance(value, TensorRef | HeldArray) and isinstance(key, str):
            try:
                yield key, _array(archive, value)
            except CorruptTensorError as error:
                why = f"its tensor `{key}` is damaged: {error}"
                raise BadFileError(why, "download it again") from error


def _array(archive: Archive, value: TensorRef | HeldArray) -> Array:
    return value.read() if isinstance(value, HeldArray) else archive.read(value)


def _sidecar_path(path: Path) -> Path:
    return path.with_name(path.name + SIDECAR)


def _sidecar(path: Path) -> Mapping[str, Any]:
    beside = _sidecar_path(path)
    if path.suffix != ".safetensors" or not beside.is_file():
        return MappingProxyType({})
    try:
        about = json.loads(beside.read_bytes())
        meta, digest = dict(about["meta"]), about["sha256"]
        check = about.pop("check", None)
        if check not in (None, _check_sum(about)) or not about.keys() <= _KEYS:
            raise ValueError("its content is not what it was")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _error(beside, f"the description of the weights is damaged ({error})", None) from None
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            why = "the description belongs to other weights than those beside it"
            raise _error(beside, why, "remove it to read the weights alone")
    return MappingProxyType(meta)


def _check_sum(about: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _error(path: Path, why: str, help_text: str | None) -> SpecError:
    message = f"cannot read the weights in `{display_path(path)}`: {why}"
    return SpecError(Diagnostic("bad-checkpoint", message, help=help_text))


def _write(path: Path, data: bytes) -> None:
    try:
        write_bytes(path, data)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        message = f"cannot write `{display_path(path)}`: {why}"
        raise SpecError(Diagnostic("unwritable-file", message)) from None
