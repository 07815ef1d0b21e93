"""What may befall a store: holders that sleep, a full disk, damaged files, runs that never work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from stspec.cli.main import main
from stspec.diagnostics import SpecError
from stspec.study.executor import DONE, FAILED, WorkOptions
from stspec.study.failures import forget, read_failures
from stspec.study.lease import Lease
from stspec.study.plan import Plan
from stspec.study.standing import Watch
from stspec.study.store import Store, create_store
from stspec.study.worker import Worker
from tests.forking import start
from tests.small_disk import fill, mounted
from tests.study.slurm_cluster import wait
from tests.study.standin import StandIn, expected, planned, weights, work
from tests.train.killing import arm

BEAT = 0.05


def worker(store: Store, count: int, train: StandIn, said: list[str], patience: float = 30) -> int:
    """Work on runs in this process; return the status."""
    options = WorkOptions(beat=BEAT)
    return Worker(store, planned(count), train, said.append, options, patience=patience).work()


def begun(store: Store) -> bool:
    return any(store.root.glob("work/*/*/log.jsonl"))


def sleeper(store: Store, told: Path, pause: float) -> ForkServerProcess:
    """Start a worker, as if on another machine."""
    given = {"pause": pause, "machine": 7, "beat": BEAT, "log": told}
    return start(work, store.root, 1, **given)


def test_a_worker_that_slept_beyond_its_lease_overwrites_nothing(tmp_path: Path) -> None:
    store, told = create_store(tmp_path / "store"), tmp_path / "told"
    process = sleeper(store, told, 0.2)
    wait(lambda: begun(store), "the worker")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    overtake(store, process, told)
    assert "another worker has taken it over" in told.read_text()


def overtake(store: Store, process: ForkServerProcess, told: Path) -> None:
    """Finish the run of a worker that sleeps, and wake it up."""
    said: list[str] = []
    assert worker(store, 1, StandIn(), said) == DONE
    assert "run-0: finished" in said
    (run,) = planned(1)
    before = files(store.folder(run.key))
    assert process.pid is not None
    os.kill(process.pid, signal.SIGCONT)
    process.join(30)
    assert process.exitcode == DONE
    assert files(store.folder(run.key)) == before
    assert weights(store) == expected((run,))
    store.verify(run.key)
    assert not list((store.root / "work").iterdir()) and not list(store.leases.iterdir())
    assert "run-0: finished" not in told.read_text()


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.name: (path.stat().st_ino, path.read_bytes())
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def _asleep_at_the_end(root: Path, told: Path) -> None:
    """Be a worker that falls asleep between its last look at its lease and the rename."""
    arm(Lease, "is_valid", 1, True, signal.SIGSTOP)
    work(root, 1, machine=7, beat=BEAT, log=told)


def test_a_worker_that_slept_at_the_very_end_overwrites_nothing(tmp_path: Path) -> None:
    store, told = create_store(tmp_path / "store"), tmp_path / "told"
    process = start(_asleep_at_the_end, store.root, told)
    wait(lambda: any(store.root.glob("work/*/*/result.json")), "the result")
    time.sleep(0.2)
    overtake(store, process, told)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk") as folder:
        yield folder


def test_a_full_disk_is_told_and_waited_for(disk: Path) -> None:
    runs = planned(8)
    for pages in range(0, 12, 3):
        store = create_store(disk / "store")
        filler = fill(disk, pages)
        said: list[str] = []

        def make_room(said: list[str] = said, filler: Path = filler) -> None:
            words = "no space left on device; trying again"
            wait(lambda: any(words in line for line in said), words)
            filler.unlink()

        helper = threading.Thread(target=make_room)
        helper.start()
        assert worker(store, 8, StandIn(), said) == DONE
        helper.join()
        assert weights(store) == expected(runs)
        for run in runs:
            store.verify(run.key)
        assert not read_failures(store), "a full disk is no fault of a run's"
        shutil.rmtree(store.root)


def test_a_disk_that_stays_full(disk: Path) -> None:
    store = create_store(disk / "store")
    filler = fill(disk, 3)
    with pytest.raises(SpecError) as caught:
        worker(store, 4, StandIn(), [], patience=0.5)
    found = caught.value.diagnostics[0]
    assert "is in trouble: no space left on device" in found.message
    assert "start workers again" in str(found.help)
    filler.unlink()
    assert worker(store, 4, StandIn(), []) == DONE
    assert weights(store) == expected(planned(4))


def put_plan(store: Store, count: int) -> None:
    plan = Plan("made", "base", planned(count), {}, {})
    (store.root / "plans" / "made.json").write_text(json.dumps(plan.to_json()))


def better(path: Path) -> None:
    """Make a result a better one than it was."""
    body = json.loads(path.read_text())
    body["result"]["top1"] = 1.0
    path.write_text(json.dumps(body))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "forged": lambda folder: better(folder / "result.json"),
    "cut": lambda folder: os.truncate(folder / "result.json", 40),
    "gone": lambda folder: (folder / "result.json").unlink(),
    "empty": lambda folder: (folder / "result.json").write_bytes(b""),
    "no_json": lambda folder: (folder / "result.json").write_bytes(b"[" * 100_000),
    "weights": lambda folder: (folder / "weights").write_bytes(b"0" * 64),
    "no_weights": lambda folder: (folder / "weights").unlink(),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_and_mended(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first of two runs is damaged, from whose weights the second is to start."""
    store, (first, second) = create_store(tmp_path / "store"), planned(2)
    put_plan(store, 2)
    assert worker(store, 1, StandIn(), []) == DONE
    before = store.result(first.key)
    DAMAGE[kind](store.folder(first.key))
    assert main(["study", "status", "made", "--store", str(store.root), "--verify"]) == 1
    assert first.key in capsys.readouterr().err
    if "weights" not in kind:
        told: list[str] = []
        assert store.results(say=told.append) == []
        assert first.key in told[0]
    said: list[str] = []
    assert worker(store, 2, StandIn(), said) == DONE
    assert any("its result is damaged" in line and "damaged/" in line for line in said)
    assert weights(store) == expected((first, second))
    assert store.result(first.key) == before
    assert [path.name for path in (store.root / "damaged").iterdir()] == [f"{first.key}-1"]
    assert main(["study", "status", "made", "--store", str(store.root), "--verify"]) == 0


def test_retries_have_a_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, runs = create_store(tmp_path / "store"), planned(8)
    put_plan(store, 8)
    said: list[str] = []
    never = StandIn(fails=frozenset({"run-1"}))
    assert worker(store, 8, never, said) == FAILED
    told = [line for line in said if line.startswith("run-1: attempt")]
    assert told == [
        "run-1: attempt 1 failed, to be tried again: ValueError: it never works",
        "run-1: attempt 2 failed, to be tried again: ValueError: it never works",
        "run-1: attempt 3 failed, given up: ValueError: it never works",
    ]
    counts = Watch(store, runs).look().counts
    assert (counts["finished"], counts["failed"], counts["blocked"]) == (5, 1, 2)
    assert main(["study", "status", "made", "--store", str(store.root)]) == 1
    text = capsys.readouterr().out
    assert "run-1: 3 attempts, 2 behind it" in text and "ValueError: it never works" in text
    assert worker(store, 8, StandIn(), []) == FAILED, "what was given up is left alone"
    assert forget(store, (run.key for run in runs)) == 1
    assert worker(store, 8, StandIn(), []) == DONE
    assert weights(store) == expected(runs)
