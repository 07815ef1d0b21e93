"""Checkpoints: tensors as safetensors, the rest as JSON beside them. Nothing in them can execute.

A checkpoint counts once its JSON is there, which is written last and holds the tensors' SHA-256
and its own. Two are kept, so that one that is damaged leaves the one before it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stspec.output import write_bytes
from stspec.runs.log import Writing

KEPT = 2
"""Checkpoints that stay: the newest, and one to fall back on."""

FORMAT = 1
_NAME = re.compile(r"step-(\d{8,})\.json")


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after so many steps: tensors by name, and plain values."""

    path: Path
    """The JSON file; the tensors lie beside it."""
    step: int
    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Tensor], values: Mapping[str, Any]
) -> Path:
    """Write a checkpoint and remove those that are no longer kept. Return its JSON file.

    Tensors may lie on any device and in any memory format; they come back as they were, on the
    CPU, to the bit.

    Raises:
        SpecError: if it cannot be written; the checkpoints before it are untouched.
    """
    from safetensors.torch import save

    path = folder / f"step-{step:08d}.json"
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    strides = {
        name: list(tensor.stride())
        for name, tensor in tensors.items()
        if not tensor.is_contiguous()
    }
    body = {"format": FORMAT, "step": step, "strides": strides, "values": dict(values)}
    body["tensors"] = hashlib.sha256(data).hexdigest()
    with Writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(path.with_suffix(".safetensors"), data)
        write_bytes(path, json.dumps(body | {"sha256": _digest(body)}).encode())
    _tidy(folder, path)
    return path


def latest_checkpoint(
    folder: Path, say: Callable[[str], None], fits: Callable[[Checkpoint], str | None]
) -> Checkpoint | None:
    """Return the newest good checkpoint, or None where there is none.

    Args:
        folder: where checkpoints lie.
        say: is told, in one line, why a newer one is passed over.
        fits: says what else is wrong with a checkpoint, None where all is well.
    """
    for path in reversed(_listed(folder)):
        try:
            found = read_checkpoint(path)
            problem = fits(found)
        except BadCheckpointError as error:
            problem = str(error)
        if problem is None:
            return found
        say(f"passing over {path.stem}: {problem}")
    return None


class BadCheckpointError(Exception):
    """A checkpoint is damaged: why, in a few words."""


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint by its JSON file, and hold it to its checksums.

    Raises:
        BadCheckpointError: if it is not as it was written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        body = json.loads(path.read_bytes())
        stated = body.pop("sha256")
        if stated != _digest(body):
            raise BadCheckpointError("its description is damaged")
        if body["format"] != FORMAT:
            raise BadCheckpointError(f"it is of format {body['format']}; this stspec has {FORMAT}")
        data = path.with_suffix(".safetensors").read_bytes()
        if hashlib.sha256(data).hexdigest() != body["tensors"]:
            raise BadCheckpointError("its tensors are damaged")
        tensors = {k: _restrided(v, body["strides"].get(k)) for k, v in load(data).items()}
        return Checkpoint(path, body["step"], tensors, body["values"])
    except OSError as error:
        raise BadCheckpointError((error.strerror or str(error)).lower()) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadCheckpointError("its description is damaged") from error
    except SafetensorError as error:
        raise BadCheckpointError("its tensors are damaged") from error


def _restrided(tensor: Tensor, strides: list[int] | None) -> Tensor:
    # Optimisers round otherwise in another memory format, so formats are part of the state.
    if strides is None:
        return tensor
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _listed(folder: Path) -> list[Path]:
    """Return the checkpoints' JSON files, the oldest first."""
    found = [(int(m[1]), p) for p in folder.glob("step-*.json") if (m := _NAME.fullmatch(p.name))]
    return [path for _, path in sorted(found)]


def _tidy(folder: Path, newest: Path) -> None:
    """Remove checkpoints that are not kept, and what killed saves have left."""
    listed = _listed(folder)
    # Steps behind the newest are of a course that was cut back; they would be taken for newer.
    kept = [path for path in listed if path <= newest][-KEPT:]
    stems = {path.stem for path in kept}
    for path in folder.iterdir():
        ours = path.name.startswith((".step-", "step-"))
        if ours and (path.name.startswith(".") or path.stem not in stems):
            with contextlib.suppress(OSError):
                path.unlink()
