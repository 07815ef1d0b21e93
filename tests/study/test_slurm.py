"""Workers as jobs of a real Slurm: whatever happens to them, the end is an unbroken study's."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from stspec.diagnostics import SpecError
from stspec.study.executor import Launch, WorkOptions
from stspec.study.plan import read_plan
from stspec.study.slurm import Slurm, executor
from stspec.study.store import Store, create_store
from tests.study import small
from tests.study.slurm_cluster import SlurmCluster, running, wait
from tests.study.standin import StandInLaunch, expected, planned, weights

pytestmark = pytest.mark.needs_slurm

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def cluster() -> Iterator[SlurmCluster]:
    with running() as found:
        yield found


@pytest.fixture
def slurm(cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> SlurmCluster:
    """The cluster as one who has logged in finds it."""
    monkeypatch.setenv("SLURM_CONF", str(cluster.config))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return cluster


@dataclass
class Study:
    """A study of stand-ins, started by Slurm while the test looks on."""

    store: Store
    count: int = 8
    name: str = "many"
    gate: Path | None = None
    options: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    error: BaseException | None = None
    thread: threading.Thread = field(default_factory=threading.Thread)

    def launch(self) -> None:
        """Have workers do the study, and come back when it is over."""
        runs = planned(self.count)
        task = StandInLaunch(
            self.store.root, self.name, runs, WorkOptions(beat=0.1), gate=self.gate
        )
        slurm: Slurm = replace(executor({"workers": "2", "time": "30", **self.options}), poll=0.1)
        slurm.launch(task, self.said.append)

    def start(self) -> None:
        """Launch it beside the test."""

        def body() -> None:
            try:
                self.launch()
            except BaseException as error:
                self.error = error

        self.thread = threading.Thread(target=body, daemon=True)
        self.thread.start()

    def begin(self) -> None:
        """Launch it beside the test, and wait until both workers are at runs, to stay there."""
        self.gate = self.store.root.parent / "go on"
        self.start()
        wait(lambda: len([*self.store.root.glob("work/*/*/log.jsonl")]) == 2, "runs")

    def go_on(self) -> None:
        """Let runs come to their ends."""
        assert self.gate is not None
        self.gate.touch()

    def end(self) -> None:
        """Wait for the end."""
        self.thread.join(180)
        assert not self.thread.is_alive(), self.said

    def check(self) -> None:
        """Hold what is in the store to an unbroken study's."""
        assert self.error is None, self.said
        runs = planned(self.count)
        assert weights(self.store) == expected(runs)
        for run in runs:
            self.store.verify(run.key)
        told = (self.store.root / "told").read_text().splitlines()
        ends = [line for line in told if line.endswith(": finished")]
        assert len(ends) == len(set(ends)) == len(runs)

    @property
    def told(self) -> str:
        """All that a user was told."""
        return "\n".join(self.said)


@pytest.fixture
def study(slurm: SlurmCluster, tmp_path: Path) -> Study:
    return Study(create_store(tmp_path / "store"))


def test_arrays(slurm: SlurmCluster, study: Study) -> None:
    study.count, study.options = 12, {"workers": "3", "memory": "1G", "cpus": "1"}
    study.launch()
    study.check()
    assert "submitted 2 workers (job " in study.told  # of an array of three Slurm takes none
    assert "submitted 1 worker (job " in study.told
    wait(lambda: not slurm.states(), "workers to leave")


def test_workers_that_must_make_room_are_put_back_and_go_on(
    slurm: SlurmCluster, study: Study
) -> None:
    """One because its time is nearly over, which Slurm tells it by a signal; one is preempted."""
    study.begin()
    first, second = slurm.states()
    slurm.run("scancel", "--signal=USR2", first)  # of itself, Slurm looks every 30 s alone
    slurm.run("sbatch", "--partition=urgent", "--ntasks=4", "--output=/dev/null", "--wrap=true")
    await_restart(slurm, first)
    await_restart(slurm, second)
    study.go_on()
    study.end()
    study.check()
    assert "lost" not in study.told and "ended" not in study.told


def await_restart(slurm: SlurmCluster, job: str) -> None:
    """Wait until a job was put back into the queue, once."""
    wait(lambda: "Restarts=1 " in slurm.run("scontrol", "show", "job", job), f"restart of {job}")


def test_a_node_that_is_lost(slurm: SlurmCluster, study: Study) -> None:
    study.begin()
    jobs = slurm.states()
    slurm.run("scontrol", "update", "nodename=n0", "state=down", "reason=lost")
    for job in jobs:
        await_restart(slurm, job)
    slurm.resume_node()
    study.go_on()
    study.end()
    study.check()


def test_a_limit_of_jobs_is_told_and_waited_for(slurm: SlurmCluster, study: Study) -> None:
    slurm.full.touch()
    with pytest.raises(SpecError) as caught:  # no job is there whose end would make room
        study.launch()
    assert "Slurm refuses the jobs: Job violates accounting/QOS policy" in str(caught.value)
    slurm.full.unlink()
    other = slurm.run("sbatch", "--parsable", "--output=/dev/null", "--wrap=sleep 60").strip()
    slurm.full.touch()
    study.start()
    wait(lambda: "Slurm takes no more jobs for now" in study.told, "a word about the limit")
    slurm.full.unlink()
    study.end()
    slurm.run("scancel", other)
    study.check()


def test_workers_that_are_killed_are_replaced(slurm: SlurmCluster, study: Study) -> None:
    study.begin()
    for lease in study.store.leases.glob("*.1"):
        os.kill(json.loads(lease.read_text().splitlines()[0])["pid"], signal.SIGKILL)
    study.go_on()
    study.end()
    study.check()
    assert "ended with status -9; what it was at is taken over by others" in study.told


def test_workers_that_are_cancelled_are_not_replaced(slurm: SlurmCluster, study: Study) -> None:
    study.begin()
    slurm.run("scancel", *slurm.states())
    study.end()
    assert isinstance(study.error, SpecError)
    assert "all workers were cancelled" in study.error.diagnostics[0].message
    study.error = None
    study.go_on()
    study.launch()
    study.check()


def test_what_slurm_refuses(slurm: SlurmCluster, study: Study) -> None:
    for options, words, help in (
        ({"partition": "mian"}, "invalid partition", "did you mean `main`?"),
        ({"time": "2:00:00"}, "time limit", "the partitions' limits: main 1:00:00"),
        ({"gpus": "1"}, "generic resource", "the nodes have: none at all"),
    ):
        study.options = options
        with pytest.raises(SpecError) as caught:
            study.launch()
        found = caught.value.diagnostics[0]
        assert words in found.message.lower() and help in str(found.help)


def test_real_trainings_are_put_back_and_go_on(
    slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the weights and the results of an unbroken study, bit for bit."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the bits depend on it
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    unbroken, broken = small.planned(tmp_path / "one"), small.planned(tmp_path / "two")
    assert small.study_work(unbroken) == 0
    runs = read_plan(broken.root / "plans" / f"{small.NAME}.json").runs
    task = Launch(broken.root, small.NAME, runs, WorkOptions(beat=0.2, readers=0))
    chosen: Slurm = replace(executor({"workers": "1", "time": "30"}), poll=0.2)
    said: list[str] = []

    def interrupt() -> None:
        wait(lambda: any(broken.root.glob("work/*/*/checkpoints/step-*.json")), "a checkpoint")
        slurm.run("scancel", "--signal=USR2", *slurm.states())

    helper = threading.Thread(target=interrupt)
    helper.start()
    chosen.launch(task, said.append)
    helper.join()
    assert said[1:] and "lost" not in "".join(said)
    assert small.outcome(broken.root) == small.outcome(unbroken.root)
    log = next((broken.root / "logs" / "small-slurm").glob("*_log.out")).read_text()
    assert "frames2: going on" in log
