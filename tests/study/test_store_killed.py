"""Workers that are killed at random and started again end with what an unbroken study ends with."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random

from stspec.study.store import create_store
from tests.study.standin import CONTEXT, expected, planned, weights, work

RUNS = 288


def test_killed_at_random(tmp_path: Path) -> None:
    """Three workers, two of them as if on other machines, each soon killed."""
    store = create_store(tmp_path / "store")
    log = tmp_path / "log"
    rng = Random(6)
    deaths = 0
    workers: dict[int, tuple[ForkServerProcess, float]] = {}
    done: set[int] = set()
    while len(done) < 3:
        for number in {0, 1, 2} - done:
            if number not in workers:
                machine = None if number == 0 else 10 * number + deaths
                given = {"pause": 0.002, "machine": machine, "beat": 0.02, "log": log}
                process = CONTEXT.Process(target=work, args=(store.root, RUNS), kwargs=given)
                process.start()
                workers[number] = process, time.monotonic() + rng.expovariate(1 / 0.5)
            process, end = workers[number]
            if process.exitcode is not None:
                assert process.exitcode in (0, -signal.SIGKILL)
                deaths += process.exitcode != 0
                done |= {number} if process.exitcode == 0 else set()
                del workers[number]
            elif time.monotonic() > end and process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)
                process.join()
        time.sleep(0.005)
    assert deaths > 5
    runs = planned(RUNS)
    assert weights(store) == expected(runs)
    assert [result.name for result in store.results(runs)] == [run.name for run in runs]
    for run in runs:
        store.verify(run.key)
    told = [line for line in log.read_text().splitlines() if line.endswith(": finished")]
    assert len(told) == len(set(told)), "a run was finished twice"
    assert not [path for path in store.leases.iterdir() if not path.name.startswith(".")]
    assert not list((store.root / "work").iterdir())
