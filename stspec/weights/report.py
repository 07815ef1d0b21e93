"""What became of every tensor: one entry each, told in groups or as JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stspec.weights.arrays import Array

Action = Literal["loaded", "filled", "left_out", "counter"]
"""``loaded``: a tensor of ours got its values. ``filled``: nothing was there for it, so it keeps
its initial values. ``left_out``: a public tensor was not used. ``counter``: a batch counter that
only one side has, which matters to nobody."""

_MOST_NAMED = 3

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Leaves that norms keep and do not learn."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one tensor of ours, or of a public tensor that was left out.

    `how` says what was done to a loaded tensor (`renamed`, `reshaped`, `stacked`, `tied`,
    `inflated (repeat)`, `adapted (3 to 10 channels)`), nothing where its values were taken as
    they are. `foreseen` marks public tensors that the importer leaves out and says why; `inert`
    those of them that are parameters which the public model registers and never uses.
    """

    key: str
    action: Action
    shape: tuple[int, ...]
    sources: tuple[str, ...] = ()
    how: tuple[str, ...] = ()
    reason: str | None = None
    inert: bool = False
    foreseen: bool = False

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def group(self) -> str:
        """The one word that says most of what was done to a loaded tensor."""
        told = [how for how in self.how if how != "renamed"]
        return told[-1] if told else (self.how[0] if self.how else "loaded")


@dataclass(frozen=True, slots=True)
class Report:
    """Every tensor of both sides, accounted for once. `origin` names the key scheme.

    `container` leads to the state dict that was read, `others` to further ones of the file.
    `operators` are kinds without weights that the public keys tell of, such as ``shift``.
    """

    origin: str
    entries: tuple[Entry, ...]
    container: str = ""
    others: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()

    @property
    def loaded(self) -> tuple[Entry, ...]:
        """Tensors of ours that got their values."""
        return self._of("loaded")

    @property
    def filled(self) -> tuple[Entry, ...]:
        """Tensors of ours that keep their initial values."""
        return self._of("filled")

    @property
    def left_out(self) -> tuple[Entry, ...]:
        """Public tensors that were not used."""
        return self._of("left_out")

    @property
    def complete(self) -> bool:
        """Whether every tensor of ours was loaded, and every public one used or foreseen."""
        return not self.filled and all(entry.foreseen for entry in self.left_out)

    @property
    def inert_elements(self) -> int:
        """Parameters that the public model counts and never uses."""
        inert = (entry for entry in self.left_out if entry.inert)
        return sum(entry.elements for entry in inert if not entry.key.endswith(STATISTICS))

    def _of(self, action: Action) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.action == action)

    def summary(self) -> str:
        """Return one line: ``53 loaded, 16 inflated (repeat), 2 left out: fc.weight (...)``."""
        parts = [f"{count} {group}" for group, count in self._groups().items()]
        if self.filled:
            parts.append(f"{len(self.filled)} filled: {_named(_plain(self.filled))}")
        if self.left_out:
            parts.append(f"{len(self.left_out)} left out: {_named(_reasons(self.left_out))}")
        return ", ".join(parts) or "nothing to load"

    def table(self) -> str:
        """Return the groups as lines for a terminal, each with its count and some names."""
        rows = [("from", "", self.origin)]
        if self.others:
            read, *more = (name or "the file's own" for name in (self.container, *self.others))
            rows.append(("read", "", f"{read}; not read: {', '.join(more)} (--container)"))
        for group, count in self._groups().items():
            members = [entry for entry in self.loaded if entry.group == group]
            rows.append((group, str(count), _named(_arrows(members))))
        if self.filled:
            kept = f"keep their initial values: {_named(_plain(self.filled))}"
            rows.append(("filled", str(len(self.filled)), kept))
        rows.extend(_left_out_rows(self.left_out))
        first = max(len(row[0]) for row in rows)
        second = max(len(row[1]) for row in rows)
        lines = (f"{a:<{first}}  {b:>{second}}  {c}".rstrip() for a, b, c in rows)
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values, for a file or another program."""
        return {
            "from": self.origin,
            "container": self.container,
            "other_containers": list(self.others),
            "operators": list(self.operators),
            "complete": self.complete,
            "summary": self.summary(),
            "inert_elements": self.inert_elements,
            "entries": [_entry_json(entry) for entry in self.entries],
        }

    def _groups(self) -> dict[str, int]:
        counts = Counter(entry.group for entry in self.loaded)
        order = ("loaded", "renamed", "reshaped")
        first = {group: counts[group] for group in order if group in counts}
        return first | {group: counts[group] for group in sorted(set(counts) - set(order))}


@dataclass(frozen=True, slots=True)
class Imported:
    """Tensors under our keys, in the model's order, and what became of every tensor.

    The state lacks the keys that are filled: a model keeps its own values for them.
    """

    state: Mapping[str, Array]
    report: Report


def _left_out_rows(entries: Sequence[Entry]) -> Iterable[tuple[str, str, str]]:
    by_reason: dict[tuple[str, bool], list[Entry]] = {}
    for entry in entries:
        by_reason.setdefault((entry.reason or "", entry.inert), []).append(entry)
    for (reason, inert), members in by_reason.items():
        names = _named([entry.key for entry in members])
        if inert:
            names = f"{sum(e.elements for e in members):,} parameters: {names}"
        yield "inert" if inert else "left out", str(len(members)), f"{names}: {reason}"


def _entry_json(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {
        "key": entry.key,
        "action": entry.action,
        "shape": list(entry.shape),
    }
    if entry.sources and entry.sources != (entry.key,):
        row["sources"] = list(entry.sources)
    if entry.how:
        row["how"] = list(entry.how)
    if entry.reason is not None:
        row["reason"] = entry.reason
    if entry.inert:
        row["inert"] = True
    return row


def _plain(entries: Iterable[Entry]) -> list[str]:
    return [entry.key for entry in entries]


def _reasons(entries: Iterable[Entry]) -> list[str]:
    return [f"{entry.key} ({entry.reason})" if entry.reason else entry.key for entry in entries]


def _arrows(entries: Iterable[Entry]) -> list[str]:
    """Names with where they came from, where that differs."""
    named = []
    for entry in entries:
        if entry.sources in ((), (entry.key,)):
            named.append(entry.key)
        elif len(entry.sources) == 1:
            named.append(f"{entry.sources[0]} -> {entry.key}")
        else:
            named.append(f"{entry.sources[0]} and {len(entry.sources) - 1} more -> {entry.key}")
    return named


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED])
    rest = len(names) - _MOST_NAMED
    return f"{shown} and {rest} more" if rest > 0 else shown
