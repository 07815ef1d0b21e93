"""How workers are started: on this machine, or on a cluster.

There is one worker, `stspec study work`, which claims runs, trains, evaluates and finishes them.
An executor starts workers and keeps them alive; it holds no state that is not in the store, so it
may die at any moment and be started again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Protocol

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.study.records import PlannedRun

EXECUTORS = ("local", "slurm", "ray")
"""Each is a module beside this one that has a function `executor(options) -> Executor`."""

DONE, FAILED, WRONG, LEFT = 0, 1, 2, 75
"""How a worker ends: nothing is left to do; nothing but runs that failed; a mistake that the next
worker would meet too; told to leave by a signal, and saved."""


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """How workers go about it, as far as results do not depend on it."""

    retries: int = 2
    """Attempts after a first one that failed."""
    readers: int | None = None
    """Processes that read videos, of each worker; as many as there are cores where not given."""
    device: str | None = None
    beat: float = 15.0
    """Seconds between signs of life; a worker that gives none eight times is taken for dead."""

    def arguments(self) -> list[str]:
        """Return the options as `stspec study work` takes them."""
        given = {"--readers": self.readers, "--device": self.device}
        named = {"--retries": self.retries, "--beat": self.beat, **given}
        return [f"{name}={value}" for name, value in named.items() if value is not None]


@dataclass(frozen=True, slots=True)
class Launch:
    """What an executor is to see done: the runs of a study, whose plan lies in the store."""

    store: Path
    """In full, as it is named on every machine."""
    study: str
    runs: tuple[PlannedRun, ...]
    """Those that runs start from stand before them."""
    work: WorkOptions = field(default_factory=WorkOptions)

    def command(
        self, *, only: Sequence[str] = (), wait: bool = True, attached: bool = False
    ) -> list[str]:
        """Return the command line of a worker.

        Args:
            only: keys of the runs that it may take; all of the study where none are named.
            wait: stay while others are at runs that it might have to take over, or that runs of
                its own start from; else it leaves when it can claim nothing.
            attached: leave (saved) when standard input ends, so that no worker outlives its
                launcher.
        """
        return [
            sys.executable, "-m", "stspec.cli", "study", "work", str(self.store),
            f"--study={self.study}", *(f"--only={key}" for key in only), *self.work.arguments(),
            *([] if wait else ["--no-wait"]), *(["--attached"] if attached else []),
        ]  # fmt: skip


class Executor(Protocol):
    """Starts workers and keeps them alive."""

    def launch(self, task: Launch, say: Callable[[str], None]) -> None:
        """Start workers until nothing is left that they could do.

        Args:
            task: what is to be done.
            say: is told, a line at a time, what a user should know: a worker lost, a limit met.

        Raises:
            SpecError: if workers cannot be started, or end with a mistake of the user's.
            KeyboardInterrupt: if the user said so; workers have saved and left then.
        """


def open_executor(name: str, options: Mapping[str, str]) -> Executor:
    """Return an executor by its name.

    Args:
        name: local, slurm or ray.
        options: its own, such as `slots`.

    Raises:
        SpecError: if there is none of this name, or an option is wrong.
    """
    if name not in EXECUTORS:
        help = did_you_mean(name, EXECUTORS) or f"choose from {', '.join(EXECUTORS)}"
        raise SpecError(Diagnostic("unknown-choice", f"there is no executor `{name}`", help=help))
    made: Executor = import_module(f"stspec.study.{name}").executor(options)
    return made


def check_options(name: str, options: Mapping[str, str], known: Sequence[str]) -> None:
    """Refuse options that an executor does not have.

    Raises:
        SpecError: naming the nearest.
    """
    for option in options:
        if option not in known:
            help = did_you_mean(option, known) or f"choose from {', '.join(known)}"
            message = f"the executor {name} has no option `{option}`"
            raise SpecError(Diagnostic("unknown-option", message, help=help))


def positive(options: Mapping[str, str], name: str, default: int, most: int = 100_000) -> int:
    """Return an option that is a whole number from 1 on.

    Raises:
        SpecError: if it is none.
    """
    text = options.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= most:
        message = f"{name} is `{text}`, not a number from 1 to {most}"
        raise SpecError(Diagnostic("wrong-option", message))
    return int(text)
