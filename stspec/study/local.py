"""Workers on this machine: as many as there are GPUs, or cores, each started again when it dies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from stspec.diagnostics import Diagnostic, SpecError, display_path
from stspec.study.executor import DONE, FAILED, LEFT, WRONG, Launch, check_options

OPTIONS = ("slots", "gpus")
YOUNG = 20.0
"""Seconds: a worker that dies earlier has hardly begun."""
TRIES = 5
"""Workers of a slot that may die young, one after the other."""
POLL = 0.2


@dataclass(frozen=True, slots=True)
class Slot:
    """What one worker has to itself."""

    number: int
    gpu: str | None
    threads: int

    @property
    def place(self) -> str:
        """Return what it is called."""
        return f"GPU {self.gpu}" if self.gpu is not None else f"slot {self.number}"

    def environment(self) -> dict[str, str]:
        """Return the environment of its worker."""
        given = dict(os.environ)
        given["STSPEC_PLACE"] = self.place
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            given[name] = str(self.threads)
        if self.gpu is not None:
            given["CUDA_VISIBLE_DEVICES"] = self.gpu
        return given


@dataclass
class _Place:
    """A slot, and the worker that has it now."""

    slot: Slot
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    died_young: int = 0
    is_done: bool = False


@dataclass(frozen=True)
class Local:
    """Starts workers as processes of its own, which leave when it does."""

    slots: tuple[Slot, ...]
    grace: float = 600.0
    """Seconds that workers have to save when they are told to leave."""
    _places: list[_Place] = field(default_factory=list)

    def launch(self, task: Launch, say: Callable[[str], None]) -> None:
        """Start workers until nothing is left that they could do. See ``Executor``."""
        task = replace(task, work=replace(task.work, readers=self._readers(task)))
        logs = task.store / "logs"
        count = min(len(self.slots), max(1, len(task.runs)))
        self._places[:] = [
            _Place(slot, logs / f"{task.study}-{slot.place.replace(' ', '-')}.log")
            for slot in self.slots[:count]
        ]
        try:
            with _terminable():
                while not all(place.is_done for place in self._places):
                    for place in self._places:
                        self._keep(place, task, say)
                    time.sleep(POLL)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                say("leaving: workers save first (once more to kill them)")
            self._end()
            raise

    def _readers(self, task: Launch) -> int:
        if task.work.readers is not None:
            return task.work.readers
        slot = self.slots[0]
        return 0 if slot.gpu is None and slot.threads == 1 else min(8, slot.threads)

    def _keep(self, place: _Place, task: Launch, say: Callable[[str], None]) -> None:
        """Start a slot's worker, or look after it."""
        if place.is_done:
            return
        if place.process is None:
            place.process = _start(place.slot, task, place.log)
            place.started = time.monotonic()
            return
        code = place.process.poll()
        if code is None:
            return
        _close(place.process)
        place.process = None
        if code in (DONE, FAILED):
            place.is_done = True
        elif code == WRONG:
            raise _wrong(place.log)
        else:
            self._lost(place, code, say)

    def _lost(self, place: _Place, code: int, say: Callable[[str], None]) -> None:
        """Tell that a worker is lost; refuse to start one that dies again and again."""
        young = time.monotonic() - place.started < YOUNG
        place.died_young = place.died_young + 1 if young and code != LEFT else 0
        why = "was told to leave" if code == LEFT else f"ended with status {code}"
        if code < 0:
            why = f"was killed ({signal.Signals(-code).name})"
        if place.died_young >= TRIES:
            message = f"workers on {place.slot.place} die as soon as they are started: one {why}"
            raise SpecError(Diagnostic("worker-dies", message, help=_tail(place.log)))
        say(f"the worker on {place.slot.place} {why}; starting another")
        time.sleep(0.2 * place.died_young)

    def _end(self) -> None:
        """Have workers save and leave; kill those that do not, or if asked once more."""
        left = [p.process for p in self._places if p.process is not None]
        for process in left:
            process.terminate()
        until = time.monotonic() + self.grace
        try:
            for process in left:
                process.wait(max(0.0, until - time.monotonic()))
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            for process in left:
                process.kill()
        finally:
            for process in left:
                process.wait()
                _close(process)


def executor(options: Mapping[str, str]) -> Local:
    """Return the executor of this machine.

    Args:
        options: `slots`, how many workers: one a GPU, else one a core; `gpus`, which: ``0,1``.

    Raises:
        SpecError: if an option is wrong.
    """
    check_options("local", options, OPTIONS)
    gpus = _listed(options["gpus"]) if "gpus" in options else _gpus()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = _count(options.get("slots", str(len(gpus) or cores or 1)))
    threads = max(1, (cores or 1) // count)
    slots = [
        Slot(number, gpus[number % len(gpus)] if gpus else None, threads)
        for number in range(count)
    ]  # fmt: skip
    return Local(tuple(slots))


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        message = f"slots is `{text}`, not a number from 1 to 1024"
        raise SpecError(Diagnostic("wrong-option", message, help="one a GPU, or one a core"))
    return int(text)


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _gpus() -> list[str]:
    """Return the GPUs that a process may use, as CUDA_VISIBLE_DEVICES names them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [] if given.strip() in ("", "-1", "NoDevFiles") else _listed(given)
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    asked = [program, "--query-gpu=index", "--format=csv,noheader"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in found.stdout.splitlines() if line.strip().isdecimal()]


def _start(slot: Slot, task: Launch, log: Path) -> subprocess.Popen[bytes]:
    """Start a worker in a session of its own: Ctrl-C reaches us alone, and we tell it."""
    with log.open("ab") as file:
        return subprocess.Popen(
            task.command(attached=True), stdin=subprocess.PIPE, stdout=file, stderr=file,
            env=slot.environment(), start_new_session=True,
        )  # fmt: skip


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end a launcher as Ctrl-C does."""

    def ask(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wrong(log: Path) -> SpecError:
    message = f"a worker has ended with a mistake: see {display_path(log)}"
    return SpecError(Diagnostic("worker-wrong", message, help=_tail(log)))


def _tail(log: Path, lines: int = 6) -> str:
    """Return the end of a worker's log."""
    try:
        found: Sequence[str] = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"see {display_path(log)}"
    return " | ".join(line.strip() for line in found[-lines:] if line.strip())
