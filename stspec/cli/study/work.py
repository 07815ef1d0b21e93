"""`stspec study work`: one worker, as executors start it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from stspec.cli.study.options import Beat, Device, Readers, Retries


def work(
    store: Annotated[
        Path, typer.Argument(metavar="STORE", help="The store's folder.", show_default=False)
    ],
    study: Annotated[
        str, typer.Option("--study", help="A study whose plan is there.", show_default=False)
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Take this run alone. Repeatable.", show_default=False),
    ] = None,
    retries: Retries = 2,
    readers: Readers = None,
    device: Device = None,
    beat: Beat = 15.0,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Leave when all that is left is in others' hands.")
    ] = False,
    attached: Annotated[
        bool, typer.Option("--attached", help="Leave when standard input ends.")
    ] = False,
) -> None:
    """Work on the runs of a study: claim, train, test, finish, until nothing is left to do.

    Any number of workers, on any machines that share the folder, do not get into each other's way.
    `stspec study run` starts them; by hand one starts as many as one likes.

    Exit status: 0 nothing is left; 1 but runs that failed; 2 error; 75 told to leave by SIGTERM,
    SIGUSR1 or Ctrl-C, and saved.
    """
    from stspec.cli.screen import remark
    from stspec.study.executor import WorkOptions
    from stspec.study.plan import stored_plan
    from stspec.study.store import open_store
    from stspec.study.training import PlannedTraining
    from stspec.study.worker import Worker

    there = open_store(store)
    plan = stored_plan(there.root, study)
    _check_keys(only or [], {run.key: run.name for run in plan.runs}, study)
    options = WorkOptions(retries, readers, device, beat)
    worker = Worker(
        there, plan.runs, PlannedTraining(plan), remark, options, frozenset(only or ()),
        wait=not no_wait,
    )  # fmt: skip
    if attached:
        threading.Thread(target=leave_at_end, daemon=True).start()
    raise typer.Exit(worker.work())


def leave_at_end() -> None:
    """Have this process leave when its launcher is gone: then standard input ends."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _check_keys(keys: list[str], names: dict[str, str], study: str) -> None:
    from stspec.diagnostics import Diagnostic, SpecError, did_you_mean

    for key in keys:
        if key not in names:
            message = f"the study {study} has no run `{key}`"
            help = did_you_mean(key, names) or f"it has {len(names)}: `stspec study status --json`"
            raise SpecError(Diagnostic("unknown-run", message, help=help))
