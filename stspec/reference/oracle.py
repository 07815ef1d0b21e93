"""An oracle: what a public implementation computed on the deterministic filling.

A folder of oracles holds ``NAME.json`` files, ``FAMILY.json.gz`` bundles (a JSON object of name
to oracle) or both. The family of an oracle is its name up to the first underscore.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean, display_path
from stspec.reference.files import read_json

_BUNDLE = ".json.gz"

_LARGEST = 2**32
"""Numbers of a state dict and an input: 32 GiB in double precision."""

_REQUIRED = ("input", "params", "macs", "macs_input", "logits", "state_dict", "source")
_KNOWN = frozenset(
    (*_REQUIRED, "name", "macs_by_op", "logits_fp64", "trace", "fp64_maxdiff_over_std")
) | {"note", "layout"}


@dataclass(frozen=True, slots=True)
class Moments:
    """One row of a trace: a module's output, by its shape, mean and standard deviation."""

    module: str
    shape: tuple[int, ...]
    mean: float
    std: float


@dataclass(frozen=True, slots=True, eq=False)
class Oracle:
    """Reference figures of one model, as recorded from the implementation that `source` names.

    `input` and `macs_input` are whole shapes, batch first; `params` counts every parameter the
    public module registers, used or not; `macs` are multiply-accumulates at `macs_input`, and
    `macs_by_op` splits them where known. `logits` are fp32 results; `logits_fp64` and `trace`
    exist for about half of the oracles, `fp64_maxdiff_over_std` (how far fp32 itself is from
    fp64, in standard deviations of the logits) for the others. `state_dict` maps the public
    keys, in the public order, to shapes. `details` holds all else that was recorded (the
    builder's options, published figures).
    """

    name: str
    input: tuple[int, ...]
    params: int
    macs: int
    macs_input: tuple[int, ...]
    logits: NDArray[np.float64]
    state_dict: Mapping[str, tuple[int, ...]]
    source: str
    macs_by_op: Mapping[str, int] | None
    logits_fp64: NDArray[np.float64] | None
    trace: tuple[Moments, ...] | None
    fp64_maxdiff_over_std: float | None
    note: str | None
    layout: str | None
    details: Mapping[str, Any]


def load_oracle(folder: Path | str, name: str) -> Oracle:
    """Read an oracle by name from a folder.

    Raises SpecError where the folder or the name is unknown or the file cannot be read.
    """
    folder = Path(folder)
    single = folder / f"{name}.json"
    if single.is_file():
        return _oracle(name, read_json(single), single)
    bundle = folder / (family(name) + _BUNDLE)
    found = _read_bundle(bundle) if bundle.is_file() else {}
    if name not in found:
        raise _unknown(folder, name)
    return _oracle(name, found[name], bundle)


def oracle_names(folder: Path | str) -> tuple[str, ...]:
    """Return the names of all oracles of a folder, sorted. Raises SpecError as load_oracle."""
    folder = Path(folder)
    check_folder(folder)
    names = {path.stem for path in folder.glob("*.json") if path.is_file()}
    for bundle in folder.glob("*" + _BUNDLE):
        names.update(_read_bundle(bundle))
    return tuple(sorted(names))


def check_folder(folder: Path) -> None:
    """Raise a SpecError if there is no folder of oracles."""
    if not folder.is_dir():
        message = f"there is no folder of oracles at `{display_path(folder)}`"
        raise SpecError(Diagnostic("no-oracles", message))


def family(name: str) -> str:
    """Return the family of an oracle's name, which names its bundle."""
    return name.partition("_")[0]


def _read_bundle(path: Path) -> Mapping[str, Any]:
    return _cached_bundle(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _cached_bundle(path: Path, _changed: int) -> Mapping[str, Any]:
    return read_json(path)


def _unknown(folder: Path, name: str) -> SpecError:
    help_text = did_you_mean(name, oracle_names(folder)) or None
    message = f"there is no oracle named `{name}` in `{display_path(folder)}`"
    return SpecError(Diagnostic("unknown-oracle", message, help=help_text))


def _oracle(name: str, record: Mapping[str, Any], path: Path) -> Oracle:
    try:
        return _parse(name, record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        missing = [field for field in _REQUIRED if field not in record]
        why = f"it lacks {', '.join(missing)}" if missing else str(error)
        message = f"oracle `{name}` in `{display_path(path)}` is malformed: {why}"
        raise SpecError(Diagnostic("bad-oracle", message)) from None


def _parse(name: str, record: Mapping[str, Any]) -> Oracle:
    shapes = {str(key): tuple(map(int, shape)) for key, shape in record["state_dict"].items()}
    sizes = [*chain(*shapes.values()), *record["input"], *record["macs_input"]]
    if min(sizes, default=0) < 0:
        raise ValueError("a size is negative")
    elements = sum(map(math.prod, shapes.values())) + math.prod(record["input"])
    if elements > _LARGEST:
        raise ValueError(f"{elements:.0e} numbers are more than any model has")
    fp64 = record.get("logits_fp64")
    trace = record.get("trace")
    by_op = record.get("macs_by_op")
    return Oracle(
        name=name,
        input=tuple(record["input"]),
        params=int(record["params"]),
        macs=int(record["macs"]),
        macs_input=tuple(record["macs_input"]),
        logits=_numbers(record["logits"]),
        state_dict=MappingProxyType(shapes),
        source=str(record["source"]),
        macs_by_op=None if by_op is None else MappingProxyType(dict(by_op)),
        logits_fp64=None if fp64 is None else _numbers(fp64),
        trace=None if trace is None else tuple(_moments(row) for row in trace),
        fp64_maxdiff_over_std=record.get("fp64_maxdiff_over_std"),
        note=record.get("note"),
        layout=record.get("layout"),
        details=MappingProxyType({k: v for k, v in record.items() if k not in _KNOWN}),
    )


def _moments(row: Any) -> Moments:
    module, shape, mean, std = row
    return Moments(str(module), tuple(shape), float(mean), float(std))


def _numbers(values: Any) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    numbers.flags.writeable = False
    return numbers
