"""Workers on a cluster: as many as there is work for, started again when they are lost.

A cluster's jobs outlive whoever has submitted them, and are found again by the next one. What is
left to do is read from the store, so that a launcher keeps nothing that it could lose.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stspec.diagnostics import Diagnostic, SpecError, display_path
from stspec.study.executor import DONE, FAILED, LEFT, WRONG

if TYPE_CHECKING:
    from stspec.study.standing import Standing

TRIES = 5
"""Workers that may end badly without one getting anywhere, before no more are started."""
LONGEST_PAUSE = 300.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker that has ended, or was lost."""

    name: str
    """As the cluster calls it: `job 17_3`."""
    status: int | None
    """None where it had no time to end with one."""
    why: str
    log: Path | None = None
    is_cancelled: bool = False
    """Whether a person has ended it, so that it is not to be replaced."""

    @property
    def is_well(self) -> bool:
        """Tell whether it ended as workers should."""
        return self.status in (DONE, FAILED, LEFT)


@dataclass(frozen=True, slots=True)
class Roll:
    """The workers at a moment."""

    living: int
    """Those that wait in a queue too."""
    ended: Sequence[Ended] = ()
    """Those that have ended since they were last asked for."""


class Pool(Protocol):
    """Starts workers on a cluster, and knows what has become of them."""

    def start(self, count: int) -> None:
        """Start workers, or fewer where the cluster takes no more of them for now.

        Raises:
            SpecError: if it takes none, nor will it ever.
        """

    def roll(self) -> Roll:
        """Return the workers, those that others have started for the same study too."""

    def end(self, *, waiting_alone: bool) -> None:
        """Have workers save and leave; or those alone that have not begun."""


@dataclass
class Keeper:
    """Keeps workers alive until nothing is left that they could do."""

    pool: Pool
    look: Callable[[], Standing]
    workers: int
    """So many at once, at most."""
    say: Callable[[str], None]
    poll: float = 10.0
    """Seconds between looks."""
    _bad: int = 0
    """Workers that ended badly since the study last got further."""
    _rest_until: float = 0.0
    _signs: list[Hashable] = field(default_factory=list)

    def keep(self) -> None:
        """Start workers, and new ones for those that are lost.

        Raises:
            SpecError: if they cannot be started, or all end badly, or a person has ended all.
            KeyboardInterrupt: if the user said so; the workers have been told to leave then.
        """
        try:
            while not (standing := self.look()).is_over:
                self._tend(standing)
                time.sleep(self.poll)
        except KeyboardInterrupt:
            self.say("leaving: workers save and leave as well")
            self.pool.end(waiting_alone=False)
            raise
        except SpecError:
            self.pool.end(waiting_alone=True)
            raise
        self.pool.end(waiting_alone=True)

    def _tend(self, standing: Standing) -> None:
        if (signs := _signs(standing)) != self._signs:
            self._signs, self._bad = signs, 0
        roll = self.pool.roll()
        for ended in roll.ended:
            self._judge(ended)
        if self.workers <= 0:
            left = len(standing.of("running", "ready", "waiting"))
            message = f"all workers were cancelled, and {left} runs are left"
            raise SpecError(Diagnostic("cancelled", message, help="run the study again to go on"))
        # Whoever lives and is at no run is about to take one.
        idle = max(0, roll.living - len(standing.of("running")))
        wanted = min(self.workers - roll.living, len(standing.of("ready")) - idle)
        if wanted > 0 and time.monotonic() >= self._rest_until:
            self.pool.start(wanted)

    def _judge(self, ended: Ended) -> None:
        """Tell what has become of a worker; refuse to go on where none gets anywhere."""
        if ended.is_cancelled:
            self.workers -= 1
            self.say(f"{ended.name} was cancelled, and is not replaced")
            return
        if ended.status == WRONG:
            message = f"{ended.name} has ended with a mistake that others would meet too"
            raise SpecError(Diagnostic("worker-wrong", message, help=_tail(ended.log)))
        if ended.is_well:
            return
        self._bad += 1
        if self._bad >= TRIES:
            message = f"{self._bad} workers ended badly and none got anywhere: {ended.name} "
            raise SpecError(Diagnostic("worker-dies", message + ended.why, help=_tail(ended.log)))
        self._rest_until = time.monotonic() + min(LONGEST_PAUSE, self.poll * 2**self._bad)
        self.say(f"{ended.name} {ended.why}; what it was at is taken over by others")


def _signs(standing: Standing) -> list[Hashable]:
    """Return what changes when any worker gets anywhere."""
    return [
        (
            row.state,
            row.step,
            row.holder.token if row.holder is not None else None,
            (len(row.failure.attempts), row.failure.deaths) if row.failure is not None else None,
        )
        for row in standing.rows
    ]


def _tail(log: Path | None, lines: int = 6) -> str | None:
    """Return where a log lies, and how it ends."""
    if log is None:
        return None
    try:
        found = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"its log, {display_path(log)}, was never written: is the folder there on all nodes?"
    end = [line.strip() for line in found if line.strip()][-lines:]
    return " | ".join([f"its log, {display_path(log)}, ends so:", *end])
