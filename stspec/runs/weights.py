"""Weights of a run: safetensors with a sidecar, which every reader of weights takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from stspec.diagnostics import Diagnostic, SpecError
from stspec.network import Network
from stspec.runs.log import UNTOUCHED
from stspec.weights.checkpoint import write_safetensors

FILE = "weights.safetensors"


def save_weights(
    folder: Path, network: Network, state: Mapping[str, Tensor], about: Mapping[str, Any]
) -> Path:
    """Write a run's weights and their sidecar (spec, fingerprints, classes). Return the file.

    Raises:
        SpecError: if they cannot be written.
    """
    hashes = network.hashes
    meta = {"spec": network.name, "math": hashes.math, "weights": hashes.weights, **about}
    path = folder / FILE
    try:
        write_safetensors(path, state, meta)
    except SpecError as error:
        message, help = error.diagnostics[0].message, UNTOUCHED
        raise SpecError(Diagnostic("unwritable-run", message, help=help)) from error
    return path
