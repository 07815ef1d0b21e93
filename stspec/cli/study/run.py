"""`stspec study run`: plan a study, and have workers do it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stspec.cli.study.options import STORE, Beat, Device, Readers, Retries, StoreOption

if TYPE_CHECKING:
    from stspec.study.plan import Plan
    from stspec.study.standing import Watch
    from stspec.study.store import Store

LOOK = 2.0
"""Seconds between two looks at the store."""


class ExecutorOption(StrEnum):
    """Where workers are started."""

    LOCAL = "local"
    SLURM = "slurm"
    RAY = "ray"


def run(
    study: Annotated[
        str,
        typer.Argument(metavar="STUDY", help="A study's name, or a YAML file.", show_default=False),
    ],
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PATH=VALUE", show_default=False,
            help="Override a value of the study, or one of all its runs. Repeatable.",
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", metavar="[NAME=]DIR", help="Where a data set lies. Repeatable.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = STORE,
    executor: Annotated[
        ExecutorOption, typer.Option("--executor", help="Where workers are started.")
    ] = ExecutorOption.LOCAL,
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--option", metavar="KEY=VALUE", show_default=False,
            help="Of the executor: slots=4, gpus=0,1. Repeatable.",
        ),
    ] = None,
    retries: Retries = 2,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try runs anew that were given up.")
    ] = False,
    readers: Readers = None,
    device: Device = None,
    beat: Beat = 15.0,
) -> None:  # fmt: skip
    """Do a study: train and test every run that the store does not have yet.

    It can be stopped and killed at any moment, and goes on when it is called again: no run is
    done twice, and those that another study has done are taken from it.

    Exit status: 0 all runs are finished; 1 some failed; 2 error; 130 Ctrl-C, and saved.
    """
    from stspec.cli.screen import paint, width, write
    from stspec.cli.study.shown import standing_text
    from stspec.study.executor import Launch, WorkOptions, open_executor
    from stspec.study.failures import forget
    from stspec.study.standing import Watch
    from stspec.study.store import create_store

    chosen = open_executor(executor.value, _pairs(options or [], "--option"))
    there = create_store(store.resolve())
    plan = _planned(study, sets or [], data or [], there)
    if retry:
        forget(there, (each.key for each in plan.runs))
    work = WorkOptions(retries, readers, device, beat)
    watch = Watch(there, plan.runs, beat)
    before = watch.look()
    _begin(plan.name, len(before.of("finished")), len(plan.runs))
    if not before.is_over:
        try:
            with _showing(plan.name, watch, there) as say:
                chosen.launch(Launch(there.root, plan.name, plan.runs, work), say)
        except KeyboardInterrupt:
            sys.stderr.write(f"all is saved: `stspec study run {study}` goes on\n")
            raise
    after = watch.look()
    write(standing_text(plan.name, after, there, width(), paint()))
    raise typer.Exit(1 if len(after.of("finished")) < len(plan.runs) else 0)


def _planned(study: str, sets: list[str], data: list[str], there: Store) -> Plan:
    """Return the plan, which lies in the store then."""
    from stspec.study.freezing import freeze
    from stspec.study.planning import make_plan
    from stspec.study.study import load_study

    return freeze(make_plan(load_study(study, sets, _pairs(data, "--data"))), there.root)


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals and option == "--data":
            name, value = "", text
        elif not equals:
            raise typer.BadParameter(f"`{text}` is not KEY=VALUE", param_hint=option)
        pairs[name] = value
    return pairs


def _begin(name: str, done: int, total: int) -> None:
    from stspec.cli.screen import remark

    if done == total:
        remark(f"{name}: all {total} runs are finished")
    elif done:
        remark(f"{name}: {done} of {total} runs are finished, {total - done} to go")


@contextmanager
def _showing(name: str, watch: Watch, there: Store) -> Iterator[Callable[[str], None]]:
    """Show how the study stands while it goes on; give what is to be told a place to go."""
    shown = _Live(name, watch, there) if sys.stderr.isatty() else _Lines(watch)
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(LOOK):
            shown.look()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield shown.say
    finally:
        stop.set()
        thread.join()
        shown.close()


class _Lines:
    """A line for each change."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._before = watch.look()

    def say(self, text: str) -> None:
        """Tell a line."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def look(self) -> None:
        """Tell what has changed."""
        from stspec.cli.study.shown import changes

        try:
            now = self._watch.look()
        except OSError:  # a disk that is away is told of by those who work on it
            return
        for line in changes(self._before, now):
            self.say(line)
        self._before = now

    def close(self) -> None:
        """Tell what came last."""
        self.look()


class _Live:
    """One table, kept up to date, with what is told above it."""

    def __init__(self, name: str, watch: Watch, there: Store) -> None:
        from rich.console import Console
        from rich.live import Live

        self._name, self._watch, self._store = name, watch, there
        self._live = Live(
            console=Console(file=sys.stderr), transient=True, auto_refresh=False,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._live.start()
        self.look()

    def say(self, text: str) -> None:
        """Tell a line above the table."""
        from rich.text import Text

        self._live.console.print(Text(text))

    def look(self) -> None:
        """Draw the table anew."""
        from rich.text import Text

        from stspec.cli.screen import paint, width
        from stspec.cli.study.shown import standing_text

        try:
            now = self._watch.look()
        except OSError:
            return
        text = standing_text(self._name, now, self._store, width(), paint(), rows=8)
        self._live.update(Text.from_ansi(text), refresh=True)

    def close(self) -> None:
        """Take the table away."""
        self._live.stop()
