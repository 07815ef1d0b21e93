"""A cluster in small: workers of stand-ins that are killed at random, runs that fail at first."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random

from stspec.study.store import Store
from tests.forking import start
from tests.study.standin import expected, planned, weights, work


@dataclass
class Simulation:
    """Workers at the runs of a store, of which the first is as if on this machine."""

    store: Store
    runs: int
    workers: int
    spell: float
    """Runs that are done, on average, until the next worker is killed."""
    pause: float = 0.002
    beat: float = 0.02
    fails_once: int = 0
    """Each so-manieth run fails at first."""
    deaths: int = 0

    @property
    def log(self) -> Path:
        """What workers tell, in the order in which they do."""
        return self.store.root / "told"

    def run(self, rng: Random) -> None:
        """Keep workers alive, and kill them, until they find nothing more to do."""
        living: dict[int, ForkServerProcess] = {}
        done: set[int] = set()
        self.log.touch()
        until = self._spell(rng)
        while len(done) < self.workers:
            for number in set(range(self.workers)) - done - set(living):
                living[number] = self._start(number)
            for number, process in list(living.items()):
                if process.exitcode is not None:
                    assert process.exitcode in (0, -signal.SIGKILL)
                    self.deaths += process.exitcode != 0
                    done |= {number} if process.exitcode == 0 else set()
                    del living[number]
            # By what they have done, not by the clock: a slow machine comes to an end too.
            if self.log.stat().st_size > until and living:
                process = rng.choice(list(living.values()))
                assert process.pid is not None
                os.kill(process.pid, signal.SIGKILL)
                process.join()
                until += self._spell(rng)
            time.sleep(0.005)

    def _spell(self, rng: Random) -> float:
        """Return by how much the log grows until a worker is killed; two lines are a run."""
        return 100 + 35 * rng.expovariate(1 / self.spell)

    def _start(self, number: int) -> ForkServerProcess:
        machine = None if number == 0 else 1000 * number + self.deaths
        given = {
            "pause": self.pause, "machine": machine, "beat": self.beat, "log": self.log,
            "fails_once": self.fails_once,
        }  # fmt: skip
        return start(work, self.store.root, self.runs, **given)

    def check(self) -> int:
        """Hold the end to an unbroken study's; return how often runs were begun.

        No run is lost, none is finished twice, and none is begun again but for a worker that died
        at it or an attempt that failed.
        """
        runs = planned(self.runs)
        assert weights(self.store) == expected(runs)
        for run in runs:
            self.store.verify(run.key)
        assert not [p for p in self.store.leases.iterdir() if not p.name.startswith(".")]
        assert not list((self.store.root / "work").iterdir())
        begun, broken, finished = Counter[str](), Counter[str](), Counter[str]()
        for line in self.log.read_text().splitlines():
            name, _, what = line.partition(": ")
            begun[name] += what in ("training", "going on")
            broken[name] += what.startswith(("its worker died", "attempt"))
            finished[name] += what == "finished"
        assert max(finished.values()) == 1, "a run was finished twice"
        for run in runs:
            assert 1 <= begun[run.name] <= 1 + broken[run.name], f"{run.name} was done twice"
        return begun.total()
