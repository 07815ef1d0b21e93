"""Workers as actors of Ray: on whichever nodes have room, started again when a node is lost."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stspec.diagnostics import Diagnostic, SpecError
from stspec.study.executor import Launch, check_options, positive
from stspec.study.pool import Ended, Keeper, Roll

OPTIONS = ("address", "workers", "gpus", "cpus")
SAVING = 600.0
"""Seconds that workers have to save when they are told to leave."""


class RayWorker:
    """Has a worker as a process of its own on some node, and ends it when it is ended itself."""

    def __init__(self, command: Sequence[str], log: str) -> None:
        # The interpreter is this node's, which may lie elsewhere than the launcher's.
        self.command = [sys.executable, *command[1:]]
        self.log = Path(log)
        self._process: subprocess.Popen[bytes] | None = None

    def work(self) -> tuple[int, str]:
        """Return the exit status of the worker, and the host that it was on."""
        place = os.environ | {"STSPEC_PLACE": f"Ray, {self.log.name}"}
        with self.log.open("ab") as log:
            # Its standard input ends when we do, however that be, so that it leaves too.
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=place
            )
        return self._process.wait(), socket.gethostname()

    def leave(self) -> None:
        """Have the worker save and leave."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)


@dataclass(frozen=True)
class Ray:
    """Starts workers on a cluster of Ray."""

    address: str
    workers: int
    resources: Mapping[str, float]
    poll: float = 5.0

    def launch(self, task: Launch, say: Callable[[str], None]) -> None:
        """Start workers until nothing is left that they could do. See ``Executor``."""
        from stspec.study.standing import Watch
        from stspec.study.store import open_store

        watch = Watch(open_store(task.store), task.runs, task.work.beat)
        ray = _connect(self.address)
        try:
            pool = RayPool(ray, task, self.resources, say)
            Keeper(pool, watch.look, self.workers, say, self.poll).keep()
        finally:
            ray.shutdown()


@dataclass
class RayPool:
    """The workers of a study on a cluster of Ray; they leave when their launcher does."""

    ray: Any
    task: Launch
    resources: Mapping[str, float]
    say: Callable[[str], None]
    _at_work: dict[Any, tuple[str, Path, Any]] = field(default_factory=dict)
    """By the worker's future: its name, its log, its actor."""
    _count: int = 0
    _is_told: bool = False

    def __post_init__(self) -> None:
        self.folder = self.task.store / "logs" / f"{self.task.study}-ray"
        self.folder.mkdir(parents=True, exist_ok=True)
        # Two threads: one waits for the worker's end, the other can be told to end it.
        self._actor = self.ray.remote(max_concurrency=2, **self.resources)(RayWorker)

    def start(self, count: int) -> None:
        """Ask Ray for workers; those for which no node has room wait."""
        command = self.task.command(wait=False, attached=True)
        for _ in range(count):
            self._count += 1
            name = f"worker {os.getpid()}-{self._count}"
            log = self.folder / f"{name.replace(' ', '-')}.log"
            actor = self._actor.remote(command, str(log))
            self._at_work[actor.work.remote()] = (name, log, actor)
        self._check_room()

    def _check_room(self) -> None:
        """Tell, once, that no node is large enough for a worker."""
        wanted = {"CPU": self.resources["num_cpus"], "GPU": self.resources["num_gpus"]}
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if self._is_told or any(
            all(node.get(kind, 0) >= amount for kind, amount in wanted.items()) for node in nodes
        ):
            return
        self._is_told = True
        asked = ", ".join(f"{amount:g} {kind}" for kind, amount in wanted.items() if amount)
        self.say(f"no node of Ray has {asked}: workers wait until one joins")

    def roll(self) -> Roll:
        """Return the workers, and how those have ended that have."""
        futures = list(self._at_work)
        over = self.ray.wait(futures, num_returns=len(futures), timeout=0)[0] if futures else []
        ended = [self._ended(future, *self._at_work.pop(future)) for future in over]
        return Roll(len(self._at_work), ended)

    def _ended(self, future: Any, name: str, log: Path, actor: Any) -> Ended:
        try:
            status, host = self.ray.get(future)
        except self.ray.exceptions.RayError as error:
            why = str(error).strip().splitlines()[0]
            return Ended(name, None, f"was lost: {why}", log)
        self.ray.kill(actor)
        return Ended(f"{name} on {host}", status, f"ended with status {status}", log)

    def end(self, *, waiting_alone: bool) -> None:
        """Have workers save and leave; those that have not begun end with the launcher."""
        if waiting_alone:
            return
        for _, log, actor in self._at_work.values():
            if log.exists():  # else it waits for a node, and would not hear
                actor.leave.remote()
        begun = [future for future, (_, log, _) in self._at_work.items() if log.exists()]
        if begun:
            self.ray.wait(begun, num_returns=len(begun), timeout=SAVING)


def executor(options: Mapping[str, str]) -> Ray:
    """Return the executor of a cluster of Ray.

    Args:
        options: `address` of the cluster, as ray.init takes it (auto: the one that this machine is
            a node of); `workers`, how many at once at most; `cpus`, `gpus` of each, shares allowed.

    Raises:
        SpecError: if an option is wrong.
    """
    check_options("ray", options, OPTIONS)
    resources = {
        "num_cpus": _amount(options, "cpus", 1.0),
        "num_gpus": _amount(options, "gpus", 0.0),
    }
    workers = positive(options, "workers", 8)
    return Ray(options.get("address", "auto"), workers, resources)


def _amount(options: Mapping[str, str], name: str, default: float) -> float:
    try:
        amount = float(options.get(name, default))
        if 0 <= amount <= 1024:
            return amount
    except ValueError:
        pass
    message = f"{name} is `{options[name]}`, not a number from 0 to 1024"
    raise SpecError(Diagnostic("wrong-option", message))


def _connect(address: str) -> Any:
    """Return the module ray, connected.

    Raises:
        SpecError: if it is missing, or no cluster answers.
    """
    try:
        import ray
    except ImportError as error:
        help = "pip install 'stspec[ray]'"
        raise SpecError(Diagnostic("no-ray", "Ray is not installed", help=help)) from error
    try:
        _knock(address)  # ray itself tries for minutes
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        why = " ".join(str(error).split(". ")[0].split())
        help = "`ray start --head` makes one; address=HOST:6379 names one that is elsewhere"
        message = f"no cluster of Ray answers at `{address}`: {why}"
        raise SpecError(Diagnostic("no-ray", message, help=help)) from error
    return ray


def _knock(address: str) -> None:
    """Raise OSError where an address is a machine's, and nothing listens there."""
    host, colon, port = address.rpartition(":")
    if colon and "/" not in host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10).close()
