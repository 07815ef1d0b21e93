"""How fast models are, side by side. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TypeAlias, TypeVar, get_args

from torch import nn

from stspec.api.tested import check_choice
from stspec.bench import (
    Case,
    Measured,
    MemoryLayout,
    Precision,
    Row,
    Subject,
    check_device,
    is_users,
    machine,
    measure,
    of_module,
    of_network,
    of_user,
    set_threads,
)
from stspec.network import Network, Overrides, Target

Rival = Network | Target | nn.Module
"""A spec; ``path.py:Class``; or a module."""
T = TypeVar("T")
Several: TypeAlias = T | list[T] | tuple[T, ...]
"""One, or more."""


def bench(
    target: Network | Target,
    *,
    against: Several[Rival] = (),
    overrides: Overrides = (),
    batch: Several[int] = 1,
    frames: Several[int] | None = None,
    precision: Several[Precision] = "float32",
    layout: Several[MemoryLayout] = "contiguous",
    compiled: Several[bool] = False,
    rounds: int = 10,
    warmup: int = 2,
    threads: int | None = None,
    device: str = "cpu",
    progress: Callable[[list[Row]], None] | None = None,
) -> Measured:
    """Measure latency, throughput and peak memory, of every combination of the settings.

    What is compared takes turns, round by round, so that a machine that slows down slows all of
    it. Weights are fresh, and clips random: neither changes the speed.

    Args:
        target: a spec: its name, file, or compiled.
        against: what it is compared with: specs, ``path.py:Class``, or modules for the same clips
            (a module is measured where it is, and left in evaluation mode).
        overrides: of all specs, as ``load`` takes them.
        batch: clips at once.
        frames: of a clip; the spec's where not given.
        precision: of products: float32, bfloat16, float16.
        layout: of clips and weights: contiguous, channels_last.
        compiled: by torch.compile.
        rounds: timed runs of each.
        warmup: runs before them.
        threads: of torch.
        device: cpu, cuda, cuda:1.
        progress: is told the rows of each setting as they are known.

    Returns:
        Rows, the first model's first in each setting, and the machine that they are of.

    Raises:
        SpecError: if a spec is wrong, a module cannot be had or fails, or the device is not there.
    """
    precisions: list[Precision] = _several(precision)
    layouts: list[MemoryLayout] = _several(layout)
    for number in precisions:
        check_choice("precision", number, get_args(Precision))
    for order in layouts:
        check_choice("layout", order, get_args(MemoryLayout))
    check_device(device)
    if threads is not None:
        set_threads(threads)
    changes = list(overrides)
    first = of_network(target, changes)
    rivals: list[Rival] = _several(against)
    subjects = [first, *(_subject(rival, first, changes) for rival in rivals)]
    numbers: list[int] | list[None] = [None] if frames is None else _several(frames)
    cases = [
        Case(b, f, p, m, c)
        for f, b, p, m, c in product(
            numbers, _several(batch), precisions, layouts, _several(compiled),
        )
    ]  # fmt: skip
    rows: list[Row] = []
    for found in measure(subjects, cases, rounds=rounds, warmup=warmup, device=device):
        rows.extend(found)
        if progress is not None:
            progress(found)
    return Measured(machine(device), tuple(rows))


def _subject(rival: Rival, first: Subject, changes: Overrides) -> Subject:
    if isinstance(rival, nn.Module):
        return of_module(rival, first)
    if isinstance(rival, str) and is_users(rival):
        return of_user(rival, first)
    return of_network(rival, list(changes))


def _several(value: Several[T]) -> list[T]:
    return list(value) if isinstance(value, list | tuple) else [value]
