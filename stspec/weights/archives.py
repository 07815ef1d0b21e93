"""The files that hold weights, opened: torch's two formats and safetensors."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from stspec.weights.arrays import Array
from stspec.weights.pickles import BFLOAT16, CorruptTensor, Kind, StorageRef, TensorRef, TensorUnpickler

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


class BadFile(ValueError):
    """A file that cannot be read: `str` says why, `help` what to do."""

    def __init__(self, why: str, help: str | None = None) -> None:
        super().__init__(why)
        self.help = help


@dataclass(frozen=True, slots=True)
class Archive:
    """An opened file: its object with tensors as references, and how to read one of them."""

    root: Any
    read: Callable[[TensorRef], Array]
