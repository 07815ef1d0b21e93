"""Trackers, where they are installed: each behind the same few functions. None can stop a run.

Each works in a thread of its own, so that one that hangs holds nothing up either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, Protocol

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean


class Tracker(Protocol):
    """Something that takes numbers."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Take the numbers of a step."""

    def close(self) -> None:
        """Be done."""


class _TensorBoard:
    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.writer = import_module("torch.utils.tensorboard").SummaryWriter(
            str(folder / "tensorboard")
        )

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class _Module:
    """A tracker whose module has init, log and finish (wandb, trackio)."""

    def __init__(self, name: str, folder: Path, about: Mapping[str, Any]) -> None:
        self.module = import_module(name)
        where = {"dir": str(folder)} if name == "wandb" else {}
        self.module.init(project="stspec", name=folder.name, config=dict(about), **where)

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.module.log(dict(values), step=step)

    def close(self) -> None:
        self.module.finish()


class _MLflow:
    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.module = import_module("mlflow")
        self.module.set_experiment("stspec")
        self.module.start_run(run_name=folder.name)
        self.module.log_params({key: str(value)[:250] for key, value in about.items()})

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.module.log_metrics(dict(values), step=step)

    def close(self) -> None:
        self.module.end_run()


Make = Callable[[Path, Mapping[str, Any]], Tracker]

TRACKERS: dict[str, tuple[str, Make]] = {
    "tensorboard": ("tensorboard", _TensorBoard),
    "wandb": ("wandb", lambda folder, about: _Module("wandb", folder, about)),
    "mlflow": ("mlflow", _MLflow),
    "trackio": ("trackio", lambda folder, about: _Module("trackio", folder, about)),
}
"""By name: the package that must be installed, and how a tracker is made."""


def check_trackers(names: Iterable[str]) -> None:
    """Refuse trackers that are not known or not installed, before anything is trained.

    Raises:
        SpecError: naming what there is, or what to install.
    """
    for name in names:
        if name not in TRACKERS:
            message, help = f"there is no tracker `{name}`", did_you_mean(name, TRACKERS)
            raise SpecError(Diagnostic("unknown-tracker", message, help=help))
        package = TRACKERS[name][0]
        if find_spec(package) is None:
            message = f"the tracker `{name}` is not installed"
            raise SpecError(Diagnostic("no-tracker", message, help=f"pip install {package}"))


PATIENCE = 60.0
"""Seconds that are waited for a tracker: until it is made, and while it takes what is left."""

BEHIND = 10_000
"""Steps that a tracker may lag behind."""


class _Working:
    """A tracker in its thread."""

    def __init__(self, make: Callable[[], Tracker]) -> None:
        self.error: BaseException | None = None
        """Why it is of no use any more."""
        self._make = make
        self._queue: Queue[tuple[Mapping[str, float], int] | None] = Queue(BEHIND)
        self._made = Event()
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()
        # Readers are forked next, and a fork amid an import may leave its lock closed.
        self._made.wait(PATIENCE)

    def _work(self) -> None:
        try:
            tracker = self._make()
            self._made.set()
            while (taken := self._queue.get()) is not None:
                tracker.log(*taken)
            tracker.close()
        except (Exception, SystemExit) as error:
            self.error = error
        finally:
            self._made.set()

    def put(self, item: tuple[Mapping[str, float], int] | None) -> None:
        """Hand over a step's numbers; None: there are no more."""
        try:
            self._queue.put_nowait(item)
        except Full:
            self.error = TimeoutError(f"it is {BEHIND:,} steps behind")

    def close(self) -> None:
        """Wait until it has taken all, or stands still."""
        self.put(None)
        left = self._queue.qsize() + 1
        while self._thread.is_alive() and self.error is None:
            if self._queue.qsize() == left:
                self.error = TimeoutError(f"it has not answered for {PATIENCE:g} s")
                return
            left = self._queue.qsize()
            self._thread.join(PATIENCE)


class Trackers:
    """All trackers of a run. One that fails is named once, and left alone from then on."""

    def __init__(
        self, names: Iterable[str], folder: Path, about: Mapping[str, Any],
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._say = say
        self._open = {name: _Working(partial(TRACKERS[name][1], folder, about)) for name in names}
        self._drop_failed()

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Hand numbers to all trackers."""
        for tracker in self._open.values():
            tracker.put((values, step))
        self._drop_failed()

    def close(self) -> None:
        """Be done with all trackers."""
        for tracker in self._open.values():
            tracker.close()
        self._drop_failed()
        self._open.clear()

    def _drop_failed(self) -> None:
        for name, tracker in list(self._open.items()):
            if (error := tracker.error) is None:
                continue
            del self._open[name]
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self._say(
                f"{name} failed and is left out from here on ({reason}); log.jsonl has it all"
            )
