"""How a study stands: what is finished, who is at what, what failed and why, how long it takes."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from stspec.study.failures import Failure, read_failures
from stspec.study.lease import Holder, Leases, this_process
from stspec.study.records import PlannedRun, Result
from stspec.study.store import DamagedError, Store, as_planned

State = Literal["finished", "running", "ready", "waiting", "failed", "blocked"]
STATES: tuple[State, ...] = ("finished", "running", "ready", "waiting", "failed", "blocked")
"""Waiting: for the run that it starts from. Blocked: that one has failed."""

_TAIL = 4096


@dataclass(frozen=True, slots=True)
class Row:
    """How a run stands."""

    run: PlannedRun
    state: State
    holder: Holder | None = None
    """Who is at it."""
    step: int | None = None
    """The last step that its log has."""
    failure: Failure | None = None
    behind: str | None = None
    """The key of the run that failed, where this one is blocked."""
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a study stands at a moment."""

    rows: tuple[Row, ...]
    seconds: float | None
    """Until it is done, as runs have taken so far and workers are; None where nothing tells."""

    def of(self, *states: State) -> list[Row]:
        """Return the runs in some states."""
        return [row for row in self.rows if row.state in states]

    @property
    def counts(self) -> Mapping[State, int]:
        """Return how many runs are in each state."""
        found = Counter(row.state for row in self.rows)
        return {state: found[state] for state in STATES}

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is left that a worker could do."""
        return not self.of("running", "ready", "waiting")


@dataclass
class Watch:
    """Looks at a study again and again. What is known to be finished is not read anew."""

    store: Store
    runs: Sequence[PlannedRun]
    beat: float = 15.0
    _results: dict[str, Result] = field(default_factory=dict)
    _damaged: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._leases = Leases(self.store.leases, this_process(self.beat))

    def look(self) -> Standing:
        """Return how the study stands now.

        Raises:
            OSError: if the store cannot be read.
        """
        finished = self.store.finished_keys()
        failures = read_failures(self.store)
        held = self._leases.last()
        lost: dict[str, str] = {}
        rows = []
        for run in self.runs:
            row = self._row(run, finished, failures, held, lost)
            if row.state in ("failed", "blocked"):
                lost[run.key] = row.behind or run.key
            rows.append(row)
        return Standing(tuple(rows), _seconds(rows, time.time()))

    def _row(
        self, run: PlannedRun, finished: set[str], failures: Mapping[str, Failure],
        held: Mapping[str, int], lost: Mapping[str, str],
    ) -> Row:  # fmt: skip
        result = self._result(run) if run.key in finished else None
        if result is not None:
            return Row(run, "finished", result=result)
        failure = failures.get(run.key)
        seen = self._leases.read(run.key, held[run.key]) if run.key in held else None
        if seen is not None and not self._leases.is_open(seen):
            step = _step(self.store, seen.holder, run.key)
            return Row(run, "running", seen.holder, step, failure)
        if failure is not None and failure.final:
            return Row(run, "failed", failure=failure)
        if run.after is not None and run.after in lost:
            return Row(run, "blocked", behind=lost[run.after])
        waits = run.after is not None and run.after not in finished
        return Row(run, "waiting" if waits else "ready", failure=failure)

    def _result(self, run: PlannedRun) -> Result | None:
        key = run.key
        if key not in self._results:
            try:
                self._results[key] = as_planned(self.store.result(key), run)
            except DamagedError:
                return None
        return self._results[key]


def _step(store: Store, holder: Holder | None, key: str) -> int | None:
    """Return the last step that the log of a run under way has."""
    if holder is None:
        return None
    path = store.root / "work" / key / holder.token / "log.jsonl"
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            lines = file.read().split(b"\n")
    except OSError:
        return None
    for line in reversed(lines[:-1]):
        try:
            record: dict[str, Any] = json.loads(line)
            return int(record["step"])
        except (ValueError, KeyError, TypeError):
            continue
    return None


def _seconds(rows: Sequence[Row], now: float) -> float | None:
    """Return how long is left: what is left of work by the workers that are at it.

    A run is taken to need as long as others did, in proportion to its multiply-accumulates.
    """
    known = [
        (row.run.macs, float(str(row.result.extra["seconds"])))
        for row in rows
        if row.result is not None and row.result.extra.get("seconds") is not None
    ]
    running = [row for row in rows if row.state == "running"]
    left = [row for row in rows if row.state in ("ready", "waiting")]
    if not left and not running:
        return 0.0
    if not known or not running:
        return None
    spent, macs = sum(seconds for _, seconds in known), sum(macs for macs, _ in known)

    def needed(run: PlannedRun) -> float:
        return spent / macs * run.macs if macs else spent / len(known)

    total = sum(needed(row.run) for row in left)
    longest = 0.0
    for row in running:
        since = row.holder.since if row.holder is not None else now
        rest = max(0.0, needed(row.run) - max(0.0, now - since))
        total += rest
        longest = max(longest, rest)
    return max(longest, total / len(running))
