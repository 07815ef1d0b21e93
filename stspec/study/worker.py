"""The worker: claims runs, has them trained, finishes them, until nothing is left that it could do.

Any number of workers share a store. One may be killed at any moment: what it was at is taken over
and goes on from its last checkpoint. Told to leave by SIGTERM, SIGUSR1 or SIGINT, it saves, lets go
of its run, and ends with status 75.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Literal, Protocol

from stspec.diagnostics import Diagnostic, SpecError, display_path
from stspec.study.executor import DONE, FAILED, LEFT, WorkOptions
from stspec.study.failures import (
    Failure,
    disk_trouble,
    note_death,
    note_failure,
    read_failures,
    reason_of,
    where,
)
from stspec.study.lease import Lease, Leases, Seen, remove_leases, this_process
from stspec.study.records import PlannedRun, Result
from stspec.study.store import DamagedError, Store, steps_saved

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
PATIENCE = 1800.0
"""Seconds for which a disk may be full or away before a worker gives up."""

State = Literal["worked", "waiting", "over"]


@dataclass(frozen=True, slots=True)
class Task:
    """A run, as the one who trains it is given it."""

    run: PlannedRun
    store: Store
    folder: Path
    """Where to work; it holds what was left, if anything was."""
    weights: Path | None
    """The folder of the finished run that this one starts from."""
    work: WorkOptions
    say: Callable[[str], None]


class Trainer(Protocol):
    """Trains and tests a run."""

    def __call__(self, task: Task) -> Result:
        """Bring a run to its end, from the start or from where it was left.

        Raises:
            SpecError: if it cannot.
            SystemExit: if the process was told to leave; the run is saved then.
        """


class Left(SystemExit):
    """The worker was told to leave."""

    def __init__(self) -> None:
        super().__init__(LEFT)


@dataclass
class Worker:
    """One process at work on the runs of a plan."""

    store: Store
    runs: Sequence[PlannedRun]
    train: Trainer
    say: Callable[[str], None]
    options: WorkOptions = field(default_factory=WorkOptions)
    only: Collection[str] = ()
    wait: bool = True
    patience: float = PATIENCE

    def __post_init__(self) -> None:
        self._leases = Leases(self.store.leases, this_process(self.options.beat))
        self._mine = [run for run in self.runs if not self.only or run.key in self.only]
        self._keys = frozenset(run.key for run in self.runs)
        self._ahead: Sequence[PlannedRun] = self.runs
        # Those that were not finished when we last looked.
        self._sound: set[str] = set()
        self._whole: set[str] = set()
        # Finished runs whose result, and all of whose files, were found to be good.
        self._rests: dict[str, float] = {}
        # Until when a run that has failed here is left to others.
        self._asked = False
        self._may_leave = False

    def work(self) -> int:
        """Work until nothing is left to do; return the status to end with.

        Raises:
            SpecError: if the disk stays full or away.
            Left: if told to leave.
        """
        with self._listening():
            while (state := self._patiently()) != "over":
                if self._asked:
                    raise Left
                if state == "waiting":
                    if not self.wait and not self._rests:
                        break
                    self._sleep(min(self.options.beat / 3, 5.0))
        return self._status()

    def _status(self) -> int:
        failed = read_failures(self.store, [run.key for run in self._mine]).values()
        return FAILED if any(failure.final for failure in failed) else DONE

    def _patiently(self) -> State:
        """Do the next thing; where the disk is in trouble, say so and try again."""
        since, pause = None, 1.0
        while True:
            began = time.monotonic()
            try:
                return self._next()
            except (OSError, SpecError) as error:
                trouble = disk_trouble(error)
                if trouble is None:
                    raise
                now = time.monotonic()
                if since is None or now - began > 60:  # it went well for a while in between
                    since, pause = now, 1.0
                name = display_path(self.store.root)
                if now - since + pause > self.patience:
                    message = f"the disk of {name} is in trouble: {trouble}"
                    help = "what was saved is good: see to the disk and start workers again"
                    raise SpecError(Diagnostic("disk-trouble", message, help=help)) from error
                self.say(f"the disk of {name}: {trouble}; trying again in {pause:.0f} s")
                self._sleep(pause)
                pause = min(2 * pause, 60.0)

    def _next(self) -> State:
        """Take the next run that is open and bring it as far as it goes."""
        finished = self._finished()
        failures = read_failures(self.store)
        held = self._leases.last()
        for key in finished & held.keys():  # its worker died when it was done
            self.store.tidy(key)
            remove_leases(self.store.leases, key, held.pop(key))
        left = self._left(finished, failures)
        if not left:
            return "over"
        now = time.monotonic()
        self._rests = {key: until for key, until in self._rests.items() if until > now}
        for run in left:
            if run.key in self._rests or (run.after is not None and run.after not in finished):
                continue
            seen = None
            if run.key in held:
                seen = self._leases.read(run.key, held[run.key])
                if seen is not None and not self._leases.is_open(seen):
                    continue
            lease = self._leases.claim(run.key, seen)
            if lease is not None:
                self._hold(lease, run, seen)
                return "worked"
        return "waiting"

    def _finished(self) -> set[str]:
        """Return the keys of finished runs; damaged ones among ours are put out of the way."""
        found = self.store.finished_keys()
        for key in sorted((found & self._keys) - self._sound):
            try:
                self.store.result(key)
                self._sound.add(key)
            except DamagedError as error:
                self._set_aside(key, error)
                found.discard(key)
        if not self._sound <= found:  # another has found damage
            self._sound &= found
            self._ahead = self.runs
        return found

    def _set_aside(self, key: str, error: DamagedError) -> None:
        path = self.store.set_aside(key)
        self.say(f"{key}: its result is damaged: {error}; moved to {display_path(path)}")
        self._sound.discard(key)
        self._whole.discard(key)
        self._ahead = self.runs

    def _left(self, finished: set[str], failures: dict[str, Failure]) -> list[PlannedRun]:
        """Return the runs that are not finished, and neither given up nor behind one that is.

        Those that have not failed yet come first.
        """
        self._ahead = [run for run in self._ahead if run.key not in finished]
        lost = {key for key, failure in failures.items() if failure.final}
        left = []
        for run in self._ahead:
            if run.after in lost and run.after not in finished:
                lost.add(run.key)
            elif run.key not in lost:
                left.append(run)
        if self.only:
            left = [run for run in left if run.key in self.only]
        return sorted(left, key=lambda run: _attempts(failures, run.key)) if failures else left

    def _hold(self, lease: Lease, run: PlannedRun, seen: Seen | None) -> None:
        """Bring a run that is ours as far as it goes, and let go of it."""
        try:
            if self.store.finished(run.key) or not self._is_sound(run.after):
                return
            folder = self.store.begin(lease)
            if self.store.finished(run.key):  # its holder was quicker than we were
                return
            if seen is not None and not seen.is_free and self._is_deadly(run, seen, folder):
                return
            self.say(f"{run.name}: {'going on' if folder.exists() else 'training'}")
            self._carry_out(lease, run, folder)
        finally:
            if self.store.finished(run.key):
                self.store.tidy(run.key)
                lease.drop()
            else:
                lease.release()

    def _is_sound(self, key: str | None) -> bool:
        """Tell whether all files of a run to start from are as they were written."""
        if key is None or key in self._whole:
            return True
        try:
            self.store.verify(key)
        except DamagedError as error:
            self._set_aside(key, error)
            return False
        self._whole.add(key)
        return True

    def _is_deadly(self, run: PlannedRun, seen: Seen, folder: Path) -> bool:
        """Take note that a worker died; tell whether the run is given up for it."""
        failure = note_death(self.store, run.key, seen.holder, steps_saved(folder))
        at = f" ({where(seen.holder)})" if seen.holder is not None else ""
        self.say(f"{run.name}: its worker died{at}")
        if failure.final:
            self.say(f"{run.name}: given up: {failure.reason}")
        return failure.final

    def _carry_out(self, lease: Lease, run: PlannedRun, folder: Path) -> None:
        weights = self.store.folder(run.after) if run.after is not None else None
        try:
            with self._leaving():
                result = self.train(Task(run, self.store, folder, weights, self.options, self.say))
            if self.store.finish(lease, folder, result):
                self.say(f"{run.name}: finished")
                return
            self.say(f"{run.name}: another worker has taken it over")
        except Exception as error:
            if not lease.is_valid():
                self.say(f"{run.name}: another worker has taken it over")
                return
            if disk_trouble(error) is not None:
                raise
            self._fail(lease, run, error)

    def _fail(self, lease: Lease, run: PlannedRun, error: Exception) -> None:
        reason = reason_of(error)
        failure = note_failure(
            self.store, run.key, lease.holder, reason, retries=self.options.retries
        )
        count = len(failure.attempts)
        self._rests[run.key] = time.monotonic() + min(60.0, self.options.beat * count)
        then = "given up" if failure.final else "to be tried again"
        self.say(f"{run.name}: attempt {count} failed, {then}: {reason}")

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._may_leave:
            self._may_leave = False
            raise Left

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Take note of signals; what trains takes note of them itself."""
        before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        interrupt = signal.signal(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, interrupt)
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def _leaving(self) -> Iterator[None]:
        """Within, a signal ends what is done at once; elsewhere, what is begun is ended first."""
        if self._asked:
            raise Left
        self._may_leave = True
        try:
            yield
        finally:
            self._may_leave = False

    def _sleep(self, seconds: float) -> None:
        with self._leaving():
            time.sleep(seconds)


def _attempts(failures: dict[str, Failure], key: str) -> int:
    failure = failures.get(key)
    return len(failure.attempts) if failure is not None else 0
