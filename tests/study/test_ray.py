"""Workers on a real cluster of Ray, of two nodes, one of which is lost midway."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stspec.diagnostics import SpecError
from stspec.study.executor import WorkOptions
from stspec.study.ray import Ray, executor
from stspec.study.store import create_store
from tests.study.slurm_cluster import wait
from tests.study.standin import StandInLaunch, expected, planned, weights

pytestmark = pytest.mark.needs_ray

ROOT = Path(__file__).resolve().parents[2]
RUNS = 8


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # A node that is lost is missed after a second, not after a quarter of a minute.
    monkeypatch.setenv("RAY_health_check_period_ms", "300")
    monkeypatch.setenv("RAY_health_check_failure_threshold", "3")
    found = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    yield found
    found.shutdown()


def test_a_node_is_lost(cluster: Any, tmp_path: Path) -> None:
    store = create_store(tmp_path / "store")
    node = cluster.add_node(num_cpus=1)
    said: list[str] = []
    gate = tmp_path / "go on"

    def lose_a_node() -> None:
        try:
            wait(lambda: len(list(store.root.glob("work/*/*/log.jsonl"))) == 2, "two workers")
            cluster.remove_node(node, allow_graceful=False)
        finally:
            gate.touch()

    loser = threading.Thread(target=lose_a_node)
    loser.start()
    work = WorkOptions(beat=0.1)
    task = StandInLaunch(store.root, "made", planned(RUNS), work, pause=0.15, gate=gate)
    found: Ray = replace(executor({"address": cluster.address, "workers": "2"}), poll=0.2)
    found.launch(task, said.append)
    loser.join()
    runs = planned(RUNS)
    assert weights(store) == expected(runs)
    for run in runs:
        store.verify(run.key)
    assert any("was lost" in line for line in said), said
    ends = [
        line for line in (store.root / "told").read_text().splitlines() if line.endswith("finished")
    ]
    assert len(ends) == len(set(ends)) == RUNS


def test_no_cluster_answers(tmp_path: Path) -> None:
    task = StandInLaunch(create_store(tmp_path / "store").root, "made", planned(2))
    with pytest.raises(SpecError) as caught:
        executor({"address": "127.0.0.1:1"}).launch(task, print)
    assert "no cluster of Ray answers at `127.0.0.1:1`" in caught.value.diagnostics[0].message
