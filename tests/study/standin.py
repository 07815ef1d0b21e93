"""A stand-in for training: a chain of hashes, saved now and then, so that the store alone is tried.

What it gives depends on the run, on all of its steps in order, and on the run that it starts from,
as weights would.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stspec.cli.study.work import leave_at_end
from stspec.output import write_text
from stspec.study.executor import Launch, WorkOptions
from stspec.study.failures import read_failure
from stspec.study.lease import Holder
from stspec.study.records import Facets, PlannedRun, Result
from stspec.study.store import Store, open_store
from stspec.study.worker import Task, Worker

STEPS = 6


def planned(count: int, chain: int = 4) -> tuple[PlannedRun, ...]:
    """Runs in chains, each but the first of a chain starting from the one before."""
    keys = [hashlib.sha256(f"run {number}".encode()).hexdigest()[:16] for number in range(count)]
    return tuple(
        PlannedRun(
            key=key,
            name=f"run-{number}",
            settings={"clip.frames": 8, "number": number},
            facets=Facets("made", "none", "tsn", False, 8),
            spec="s", recipe="r", data="made", seed=0,
            after=keys[number - 1] if number % chain else None,
            params=10, macs=100,
        )
        for number, key in enumerate(keys)
    )  # fmt: skip


class StandIn:
    """Trains a run by hashing; `pause` seconds a step; fails where it is told to, or once.

    Midway it waits for a file, the gate, where one is named.
    """

    def __init__(
        self, pause: float = 0.0, fails: frozenset[str] = frozenset(), fails_once: int = 0,
        gate: Path | None = None,
    ) -> None:  # fmt: skip
        self.pause, self.fails, self.gate = pause, fails, gate
        self.fails_once = fails_once
        """Each so-manieth run fails at first."""

    def is_to_fail(self, task: Task) -> bool:
        if task.run.name in self.fails:
            return True
        number = int(task.run.name.removeprefix("run-"))
        if not self.fails_once or number % self.fails_once:
            return False
        return not read_failure(task.store, task.run.key).attempts

    def __call__(self, task: Task) -> Result:
        folder, run = task.folder, task.run
        if not (folder / "run.json").is_file():
            (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
            write_text(folder / "run.json", json.dumps({"key": run.key}))
        first, state = _saved(folder) or (0, _start(task))
        with (folder / "log.jsonl").open("a+b") as log:
            log.truncate(sum(len(_line(step)) for step in range(first)))
            for step in range(first, STEPS):
                if self.pause:
                    time.sleep(self.pause)
                while step == 3 and self.gate is not None and not self.gate.exists():
                    time.sleep(0.02)
                if step == 3 and self.is_to_fail(task):
                    raise ValueError("it never works")
                state = hashlib.sha256(f"{state} {step}".encode()).hexdigest()
                log.write(_line(step))
                log.flush()
                if step % 2:
                    path = folder / "checkpoints" / f"step-{step + 1:08d}.json"
                    write_text(path, json.dumps([step + 1, state]))
        write_text(folder / "weights", state)
        share = int(state[:4], 16) / 65535
        return Result(
            run.key, run.name, run.facets, run.settings, share, share, share, run.params,
            run.macs, run.seed, extra={"seconds": 1.0},
        )  # fmt: skip


def _start(task: Task) -> str:
    return (task.weights / "weights").read_text() if task.weights is not None else task.run.key


def _line(step: int) -> bytes:
    return json.dumps({"kind": "step", "step": step}).encode() + b"\n"


def _saved(folder: Path) -> tuple[int, str] | None:
    paths = sorted(folder.glob("checkpoints/step-*.json"))
    if not paths:
        return None
    step, state = json.loads(paths[-1].read_text())
    return step, state


def expected(runs: tuple[PlannedRun, ...]) -> dict[str, str]:
    """What each run's weights must be, worked out apart from any store."""
    found: dict[str, str] = {}
    for run in runs:
        state = found[run.after] if run.after else run.key
        for step in range(STEPS):
            state = hashlib.sha256(f"{state} {step}".encode()).hexdigest()
        found[run.key] = state
    return found


def weights(store: Store) -> dict[str, str]:
    """What the store has for each finished run."""
    return {key: (store.folder(key) / "weights").read_text() for key in store.finished_keys()}


def abroad(holder: Holder, number: int) -> Holder:
    """Make a holder one of another machine, whose processes cannot be looked up."""
    return replace(holder, host=f"machine-{number}", space=f"space-{number}")


def work(
    root: Path, count: int, pause: float = 0.0, machine: int | None = None, beat: float = 0.05,
    fails: frozenset[str] = frozenset(), log: Path | None = None, wait: bool = True,
    attached: bool = False, fails_once: int = 0, gate: Path | None = None,
) -> None:  # fmt: skip
    """Be a worker; end with its status."""

    def say(text: str) -> None:
        if log is not None:
            with log.open("a") as file:
                file.write(text + "\n")

    worker = Worker(
        open_store(root), planned(count), StandIn(pause, fails, fails_once, gate), say,
        WorkOptions(beat=beat), wait=wait,
    )  # fmt: skip
    if machine is not None:
        leases = worker._leases
        leases.holder = abroad(leases.holder, machine)
    if attached:
        threading.Thread(target=leave_at_end, daemon=True).start()
    sys.exit(worker.work())


@dataclass(frozen=True, slots=True)
class StandInLaunch(Launch):
    """Runs whose workers are stand-ins, started as programs."""

    pause: float = 0.0
    fails: tuple[str, ...] = ()
    gate: Path | None = None

    def command(
        self, *, only: Sequence[str] = (), wait: bool = True, attached: bool = False
    ) -> list[str]:
        given: dict[str, Any] = {
            "count": len(self.runs), "pause": self.pause, "beat": self.work.beat,
            "fails": self.fails, "wait": wait, "attached": attached,
            "log": str(self.store / "told"), "gate": self.gate and str(self.gate),
        }  # fmt: skip
        return [sys.executable, "-m", "tests.study.standin", str(self.store), json.dumps(given)]


if __name__ == "__main__":
    options = json.loads(sys.argv[2])
    options |= {"log": Path(options["log"]), "fails": frozenset(options["fails"])}
    options["gate"] = options["gate"] and Path(options["gate"])
    work(Path(sys.argv[1]), **options)
