"""What went wrong with runs: attempts and their reasons, kept in the store until a run succeeds."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stspec.diagnostics import SpecError
from stspec.output import write_text
from stspec.study.lease import Holder
from stspec.study.store import KEY, Store

DEATHS = 10
"""So often a run's worker may die without the run getting any further."""

_OF_DISKS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EROFS,
     errno.EHOSTDOWN, errno.EREMOTEIO, errno.ENOLCK, errno.EBUSY, errno.EAGAIN}
)  # fmt: skip
"""Errors that are a disk's, and pass: it is full, or away."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt at a run that failed."""

    reason: str
    """In a line."""
    where: str
    """The host, and the place there."""
    when: float
    """Seconds since 1970, by that host's clock."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with a run so far."""

    key: str
    attempts: tuple[Attempt, ...] = ()
    final: bool = False
    """Whether it is left alone from now on."""
    deaths: int = 0
    """Workers that died at the run since it last got further."""
    step: int = -1
    """How far the run was when one died last."""

    @property
    def reason(self) -> str:
        """Return the last reason."""
        return self.attempts[-1].reason if self.attempts else "its worker died"


def read_failures(store: Store, among: Iterable[str] | None = None) -> dict[str, Failure]:
    """Return what is known of runs that failed, of all or of some, by key."""
    folder = store.root / "failed"
    names = [name.removesuffix(".json") for name in os.listdir(folder)]  # noqa: PTH208 (many)
    wanted = None if among is None else frozenset(among)
    found = {}
    for key in sorted(filter(KEY.fullmatch, names)):
        if wanted is None or key in wanted:
            failure = read_failure(store, key)
            if failure.attempts or failure.deaths:
                found[key] = failure
    return found


def read_failure(store: Store, key: str) -> Failure:
    """Return what is known of a run; nothing where the file is gone or damaged."""
    try:
        plain = json.loads(_path(store, key).read_bytes())
        attempts = tuple(Attempt(**each) for each in plain.pop("attempts"))
        return Failure(**plain, attempts=attempts)
    except (OSError, ValueError, TypeError, LookupError):
        return Failure(key)


def note_failure(
    store: Store, key: str, holder: Holder, reason: str, *, retries: int
) -> Failure:  # fmt: skip
    """Keep the reason of an attempt that failed; return what is known of the run then.

    Raises:
        OSError: if the disk does not take it.
    """
    before = read_failure(store, key)
    attempts = (*before.attempts, Attempt(reason, where(holder), time.time()))
    return _write(store, replace(before, attempts=attempts, final=len(attempts) > retries))


def note_death(store: Store, key: str, holder: Holder | None, step: int) -> Failure:
    """Keep that a worker died; a run that kills its workers is given up at last.

    Args:
        store: where the run is.
        key: the run's.
        holder: who died.
        step: how far the run is.

    Raises:
        OSError: if the disk does not take it.
    """
    before = read_failure(store, key)
    deaths = before.deaths + 1 if step <= before.step else 1
    after = replace(before, deaths=deaths, step=max(step, before.step))
    if deaths >= DEATHS:
        reason = f"{deaths} workers died at it, one after the other, without getting any further"
        reason += " (out of memory?)"
        told = where(holder) if holder is not None else ""
        attempts = (*before.attempts, Attempt(reason, told, time.time()))
        after = replace(after, attempts=attempts, final=True)
    return _write(store, after)


def forget(store: Store, keys: Iterable[str]) -> int:
    """Let runs that failed be tried anew; return how many there were.

    Raises:
        OSError: if a file cannot be removed.
    """
    count = 0
    for key in keys:
        path = _path(store, key)
        if path.exists():
            path.unlink(missing_ok=True)
            count += 1
    return count


def where(holder: Holder) -> str:
    """Return where a holder works, as people are told."""
    return f"{holder.host} {holder.place}".strip()


def reason_of(error: BaseException) -> str:
    """Return why something failed, in a line."""
    if isinstance(error, SpecError):
        found = error.diagnostics[0]
        return " ".join(f"{found.message}; {found.help}".removesuffix("; None").split())
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]


def disk_trouble(error: BaseException | None) -> str | None:
    """Return what a disk says that is full or away; None where an error is another one."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _OF_DISKS:
            return (error.strerror or str(error)).lower()
        error = error.__cause__
    return None


def _path(store: Store, key: str) -> Path:
    return store.root / "failed" / f"{key}.json"


def _write(store: Store, failure: Failure) -> Failure:
    write_text(_path(store, failure.key), json.dumps(asdict(failure), indent=1) + "\n")
    return failure
