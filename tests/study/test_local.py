"""Workers on this machine: killed, told to leave by Ctrl-C, left behind by their launcher."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from stspec.cli.screen import Paint
from stspec.cli.study.shown import standing_text
from stspec.diagnostics import SpecError
from stspec.study.executor import WorkOptions
from stspec.study.failures import note_failure
from stspec.study.lease import Leases, this_process
from stspec.study.local import executor
from stspec.study.standing import Watch
from stspec.study.store import Store, create_store
from tests.forking import start
from tests.study.slurm_cluster import wait
from tests.study.standin import StandInLaunch, expected, planned, weights

ROOT = Path(__file__).resolve().parents[2]
RUNS = 8


def launch(root: Path, said: Path) -> None:
    """Be a launcher of two workers."""

    def say(text: str) -> None:
        with said.open("a") as file:
            file.write(text + "\n")

    os.environ["PYTHONPATH"] = str(ROOT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background
    task = StandInLaunch(root, "made", planned(RUNS), WorkOptions(beat=0.1), pause=0.4)
    try:
        executor({"slots": "2"}).launch(task, say)
    except KeyboardInterrupt:
        sys.exit(130)


def started(store: Store, said: Path) -> ForkServerProcess:
    """Start a launcher, and wait until its workers are at runs."""
    process = start(launch, store.root, said)
    wait(lambda: len(holders(store)) == 2, "two workers")
    return process


def holders(store: Store) -> list[int]:
    """The processes that hold leases."""
    leases = Leases(store.leases, this_process(0.1))
    seen = [leases.read(key, number) for key, number in leases.last().items()]
    return [each.holder.pid for each in seen if each and each.holder and not leases.is_open(each)]


def test_whatever_ends_the_next_launcher_goes_on(tmp_path: Path) -> None:
    store, said = create_store(tmp_path / "store"), tmp_path / "said"
    launcher = started(store, said)
    os.kill(holders(store)[0], signal.SIGKILL)
    wait(lambda: said.exists() and "was killed (SIGKILL); starting another" in said.read_text(),
         "a word about the worker")  # fmt: skip
    assert launcher.pid is not None
    os.kill(launcher.pid, signal.SIGINT)
    launcher.join(30)
    assert launcher.exitcode == 130
    assert "leaving: workers save first (once more to kill them)" in said.read_text()
    assert holders(store) == [], "workers have let go of their runs"
    assert list((store.root / "work").iterdir()), "what they were at is kept"
    launcher = started(store, said)
    assert launcher.pid is not None
    os.kill(launcher.pid, signal.SIGKILL)
    launcher.join(30)
    wait(lambda: holders(store) == [], "workers to leave")
    launch(store.root, said)
    assert weights(store) == expected(planned(RUNS))
    for run in planned(RUNS):
        store.verify(run.key)
    ends = [line for line in (store.root / "told").read_text().splitlines() if "finished" in line]
    assert len(ends) == len(set(ends)) == RUNS


class BrokenLaunch(StandInLaunch):
    """Workers that end at once, as where a library is missing."""

    __slots__ = ()
    code = "import sys; print('no such library'); sys.exit(127)"

    def command(self, **given: object) -> list[str]:
        return [sys.executable, "-S", "-c", self.code]


def test_workers_that_die_at_once_end_it(tmp_path: Path) -> None:
    task = BrokenLaunch(create_store(tmp_path / "store").root, "made", planned(2))
    said: list[str] = []
    with pytest.raises(SpecError) as caught:
        executor({"slots": "1"}).launch(task, said.append)
    found = caught.value.diagnostics[0]
    assert "die as soon as they are started: one ended with status 127" in found.message
    assert "no such library" in str(found.help)
    assert said[0] == "the worker on slot 0 ended with status 127; starting another"


def test_how_a_study_stands_fits_a_screen_of_80_columns(tmp_path: Path) -> None:
    """With long names, of thousands of runs, some of which run, have failed, or wait."""
    store = create_store(tmp_path / "store")
    runs = tuple(
        replace(run, name=f"{run.name}-{'of-a-very-long-name-' * 5}") for run in planned(2000)
    )
    host = replace(this_process(10.0), host="node-" + "x" * 60, place="job 12345678_123")
    leases = Leases(store.leases, host)
    held = [leases.claim(run.key, None) for run in runs[:40:4]]
    for run in runs[40:80:4]:
        note_failure(store, run.key, host, f"ValueError: {'why ' * 40}{run.name}", retries=0)
    for run in runs[80:120:4]:
        note_failure(store, run.key, host, "ValueError: " + "why " * 40, retries=2)
    text = standing_text("made", Watch(store, runs).look(), store, 80, Paint(False))
    lines = text.splitlines()
    # Paths and names are never broken, so that they can be copied.
    broad = [line for line in lines if len(line) > 80]
    assert all(len(line.replace("log: ", "").split()) == 1 for line in broad), broad
    assert {len(line) for line in lines if line.startswith("run-0-")} == {80}
    assert lines[0].startswith("made: 2000 runs: 0 finished, 10 running,")
    for lease in held:
        assert lease is not None
        lease.drop()
