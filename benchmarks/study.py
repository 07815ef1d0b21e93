"""What a study of ten thousand runs costs besides the trainings: planning, listing, launching.

A cluster is simulated: workers of stand-ins for training, killed at random, at runs of which some
fail at first; all that they do is counted. Run `python -m benchmarks.study [RUNS]`, with TMPDIR on
a disk of one's choice; the exit status is 1 where a target is missed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from stspec.study.plan import Plan
from stspec.study.store import Store, create_store
from tests.study.simulation import Simulation
from tests.study.standin import planned

MODELS, WORKERS, SPELL = 288, 4, 50.0
CLI = ("-m", "stspec.cli", "study")
HOUR = 3600.0

_LIST = """
import sys, time
from stspec.study.store import open_store
start = time.perf_counter()
results = open_store(sys.argv[1]).results()
print(len(results), time.perf_counter() - start)
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a process has taken."""

    seconds: float
    processor: float
    megabytes: float
    output: str


def taken(*arguments: str) -> Taken:
    """Run Python once."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as file:
        process = subprocess.Popen([sys.executable, *arguments], stdout=file)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        file.seek(0)
        text = file.read()
    assert process.returncode == 0, text
    seconds = time.perf_counter() - start
    return Taken(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def told(what: str, value: float, unit: str, most: float) -> bool:
    """Print a figure beside its target; return whether it is missed."""
    print(f"{what:<58} {value:9.2f} {unit:<3} < {most:g}", flush=True)
    return value >= most


def planning(runs: int, folder: Path) -> bool:
    """Plan so many runs of 288 models, which differ by their seeds."""
    seeds = list(range(-(-runs // MODELS)))
    given = ("unified_288", "--set", f"grid.seed={seeds}", "--store", str(folder / "none"))
    found = taken(*CLI, "plan", *given)
    name = f"study plan, {MODELS * len(seeds)} runs"
    print(f"{name}: {found.processor:.2f} s of the processor")
    return told(f"{name}", found.seconds, "s", 10) | told(
        f"{name}: memory", found.megabytes, "MB", 500
    )


def simulated(store: Store, runs: int) -> bool:
    """Have workers that are killed do so many stand-ins; count what they did."""
    simulation = Simulation(store, runs, WORKERS, SPELL, pause=0.0, beat=0.25, fails_once=50)
    start = time.perf_counter()
    simulation.run(Random(0))
    seconds = time.perf_counter() - start
    begun = simulation.check()
    print(f"simulated cluster: {runs} runs, {WORKERS} workers, {seconds:.0f} s")
    print(
        f"  killed {simulation.deaths} times; runs begun {begun} times; none lost, none done twice"
    )
    share = 100 * seconds * WORKERS / runs / HOUR
    return told("of a run of an hour, taken by claiming and finishing it", share, "%", 1)


def listing(store: Store, runs: int) -> bool:
    """List the runs of a store, and tell how the study stands."""
    count, seconds = taken("-c", _LIST, str(store.root)).output.split()
    assert int(count) == runs
    plan = Plan("made", "base", planned(runs), {}, {})
    (store.root / "plans" / "made.json").write_text(json.dumps(plan.to_json()))
    status = taken(*CLI, "status", "made", "--store", str(store.root))
    assert f"{runs} finished" in status.output
    worker = taken(*CLI, "work", str(store.root), "--study=made")
    return (
        told(f"the store lists {runs} runs", float(seconds), "s", 2)
        | told("study status: time", status.seconds, "s", 5)
        | told(
            "of a run of an hour, taken by a worker's start", 100 * worker.seconds / HOUR, "%", 1
        )
    )


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        missed = planning(runs, folder)
        store = create_store(folder / "store")
        missed |= simulated(store, runs)
        missed |= listing(store, runs)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
