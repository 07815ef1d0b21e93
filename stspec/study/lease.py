"""Leases: who is at a run. They hold on a disk that machines share whose clocks differ.

The leases of a run are files `KEY.1`, `KEY.2`, ... of which the last one counts. A file of the next
number can be created once (by a hard link, which NFS too makes atomic), so that of all who find a
run free, or its holder dead, one alone becomes its holder. The holder counts up in its file; who
sees the count stand still for long enough, by its own clock, takes the holder for dead (Gray and
Cheriton, "Leases", SOSP 1989, with change in the place of time). Whoever was taken for dead and is
not is kept from harm by its work folder, which the next holder has renamed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

MISSED = 8
"""Beats that a holder may miss before it is taken for dead."""

_NAME = re.compile(r"([0-9a-f]{16})\.(\d+)")
_STATE = re.compile(rb"(held|free) (\d{12})\n")
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that works on a run, as others are told of it."""

    host: str
    pid: int
    space: str
    """What the process number is of: a boot of a machine, and a namespace; empty if unknown."""
    born: str
    """When the process was started, in the kernel's count."""
    beat: float
    """Seconds between signs of life."""
    place: str = ""
    """Where on the host, or in which job of a cluster."""
    token: str = ""
    """One of its own for each lease: the name of the work folder."""
    since: float = 0.0
    """Seconds since 1970 by the holder's clock, for people to read."""

    @property
    def is_known_dead(self) -> bool:
        """Tell whether it ran where we run, and does not any more."""
        if not self.space or self.space != _space():
            return False
        return _born(self.pid) != self.born


def this_process(beat: float) -> Holder:
    """Return this process as a holder of leases."""
    pid = os.getpid()
    return Holder(socket.gethostname(), pid, _space(), _born(pid), beat, _place())


@dataclass(frozen=True, slots=True)
class Seen:
    """The last lease of a run, as it was read."""

    key: str
    number: int
    holder: Holder | None
    """None where the file could not be understood."""
    state: bytes
    """Whether it is held, and the count."""

    @property
    def is_free(self) -> bool:
        """Tell whether the holder has let go."""
        return self.state.startswith(b"free")


class Lease:
    """A run that is ours, as long as we show that we live."""

    def __init__(self, path: Path, key: str, number: int, holder: Holder, offset: int) -> None:
        self.path = path
        self.key = key
        self.number = number
        self.holder = holder
        self._offset = offset
        self._count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"lease {key}", daemon=True)
        self._thread.start()

    def is_valid(self) -> bool:
        """Tell whether it is still ours, by a look at the disk."""
        return (
            self.path.exists() and not _path(self.path.parent, self.key, self.number + 1).exists()
        )

    def release(self) -> None:
        """Let go of the run, so that anyone may take it at once."""
        self._halt()
        with contextlib.suppress(OSError):
            self._show(b"free")

    def drop(self) -> None:
        """Let go of a run that is finished: nothing is left that one could be the holder of."""
        self._halt()
        remove_leases(self.path.parent, self.key, self.number)

    def _halt(self) -> None:
        self._stop.set()
        self._thread.join()

    def _live(self) -> None:
        while not self._stop.wait(self.holder.beat):
            # A slow or full disk is no reason to stop; a file that is gone means it was taken.
            with contextlib.suppress(OSError):
                self._show(b"held")

    def _show(self, state: bytes) -> None:
        # Never creates the file: a run that was finished by another must not look taken again.
        self._count += 1
        handle = os.open(self.path, os.O_WRONLY)
        try:
            os.pwrite(handle, state + b" %012d\n" % self._count, self._offset)
        finally:
            os.close(handle)


class Leases:
    """The leases of a store, as one process sees them over time."""

    def __init__(
        self, folder: Path, holder: Holder, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self.holder = holder
        self._now = now
        self._still: dict[tuple[str, int], tuple[bytes, float, float]] = {}
        # Of a lease: the state last seen, for how long it has been so, and when we looked.

    def last(self) -> dict[str, int]:
        """Return the number of the last lease of each run that has one."""
        found: dict[str, int] = {}
        for name in os.listdir(self.folder):  # noqa: PTH208 (thousands of names, often)
            if match := _NAME.fullmatch(name):
                found[match[1]] = max(found.get(match[1], 0), int(match[2]))
        return found

    def read(self, key: str, number: int) -> Seen | None:
        """Return a lease, or the one that has followed it; None where it is gone."""
        while _path(self.folder, key, number + 1).exists():
            number += 1
        return read_lease(self.folder, key, number)

    def is_open(self, seen: Seen) -> bool:
        """Tell whether a run may be taken: let go of, or its holder dead, as far as we can see."""
        if seen.is_free or (seen.holder is not None and seen.holder.is_known_dead):
            return True
        at, now = (seen.key, seen.number), self._now()
        beat = max(seen.holder.beat if seen.holder else 0.0, self.holder.beat)
        state, still, before = self._still.get(at, (b"", 0.0, now))
        # Time that we did not look in counts little: a disk that hung has stopped all alike.
        still = still + min(now - before, 2 * beat) if state == seen.state else 0.0
        self._still[at] = (seen.state, still, now)
        return still > MISSED * beat

    def claim(self, key: str, after: Seen | None) -> Lease | None:
        """Become the holder of a run that is open; None where another was quicker.

        Raises:
            OSError: if the disk does not take it.
        """
        number = after.number + 1 if after is not None else 1
        holder = replace(self.holder, token=secrets.token_hex(8), since=time.time())
        head = json.dumps(asdict(holder)).encode() + b"\n"
        path = _path(self.folder, key, number)
        if not _create(path, head + b"held %012d\n" % 0):
            return None
        self._still = {at: seen for at, seen in self._still.items() if at[0] != key}
        return Lease(path, key, number, holder, len(head))


def read_lease(folder: Path, key: str, number: int) -> Seen | None:
    """Return a lease as it lies on the disk; None where it is gone."""
    try:
        data = _path(folder, key, number).read_bytes()
    except FileNotFoundError:
        return None
    head, _, state = data.partition(b"\n")
    try:
        holder = Holder(**json.loads(head))
    except (ValueError, TypeError):
        return Seen(key, number, None, data)
    return Seen(key, number, holder, state if _STATE.fullmatch(state) else data)


def remove_leases(folder: Path, key: str, last: int) -> None:
    """Remove the leases of a run that is finished.

    Raises:
        OSError: if the disk does not let go of them.
    """
    for number in range(1, last + 1):
        _path(folder, key, number).unlink(missing_ok=True)


def _path(folder: Path, key: str, number: int) -> Path:
    return folder / f"{key}.{number}"


def _create(path: Path, data: bytes) -> bool:
    """Create a file whole; False where there is one already."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(data)
        try:
            os.link(temporary, path)
        except OSError as error:
            # The answer of a server may be lost, and asking again fails: the link tells.
            if temporary.stat().st_nlink == 2:
                return True
            if isinstance(error, FileExistsError):
                return False
            if error.errno not in _NO_LINKS:
                raise
            return _create_without_links(path, data)
        return True
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _create_without_links(path: Path, data: bytes) -> bool:
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


def _space() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _born(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]


def _place() -> str:
    """Return where on its host a worker runs, as its launcher or the scheduler says."""
    given = os.environ
    if place := given.get("STSPEC_PLACE"):
        return place
    if job := given.get("SLURM_ARRAY_JOB_ID"):
        return f"job {job}_{given.get('SLURM_ARRAY_TASK_ID', '')}"
    job = given.get("SLURM_JOB_ID")
    return f"job {job}" if job else ""
