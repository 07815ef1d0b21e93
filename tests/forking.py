"""Where tests fork their processes from: one server, that has imported what all of these need."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
# The server is each process's only one, so what a second caller asks it to import comes too late.
CONTEXT.set_forkserver_preload(["tests.train.killing", "tests.train.warm", "tests.study.standin"])

SECONDS = 120
"""How long an answer may take."""


def start(target: Callable[..., object], *given: Any, **named: Any) -> ForkServerProcess:
    """Call a function in a process of its own, which forks as one does that a user starts."""
    process = CONTEXT.Process(target=_run, args=(target, given, named))
    process.start()
    return process


def _run(target: Callable[..., object], given: tuple[Any, ...], named: dict[str, Any]) -> None:
    # Else readers come from the fork server, and outlive the process that is killed.
    multiprocessing.set_start_method("fork", force=True)
    target(*given, **named)


def ask(target: Callable[..., object], *given: Any, seconds: float = SECONDS) -> Any:
    """Return what a function puts into a queue, its last argument, in a process of its own."""
    queue = CONTEXT.SimpleQueue()
    process = start(target, *given, queue)
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        raise AssertionError(f"it hung for {seconds:g} seconds, and was killed")
    assert not queue.empty(), f"it ended with {process.exitcode}, without a word"
    return queue.get()
