"""One run of a study: trained as it was planned, tested as its recipe says, told in a result."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from stspec.diagnostics import Diagnostic, SpecError
from stspec.source.nodes import Plain
from stspec.study.plan import Plan
from stspec.study.protocol import told_by
from stspec.study.records import PlannedRun, Result
from stspec.study.worker import Task

if TYPE_CHECKING:
    from stspec.evaluate.predictions import Predictions
    from stspec.network import Network

BATCH = 8
"""Clips at once when it is tested. Part of the protocol: rounding depends on it."""


@dataclass(frozen=True)
class PlannedTraining:
    """Trains the runs of a plan."""

    plan: Plan

    def __call__(self, task: Task) -> Result:
        """Train and test a run; see ``stspec.study.worker.Trainer``."""
        began = time.monotonic() - _before(task.folder)
        with _logged(task.store.log(task.run.key)):
            self._train(task)
            tested = _test(task)
            latency = _latency(self.plan.network(task.run), task.work.device)
        return _result(task.run, tested, time.monotonic() - began, latency)

    def _train(self, task: Task) -> None:
        from stspec.runs.directory import is_run
        from stspec.train.recipe import load_recipe
        from stspec.train.run import train

        common: dict[str, Any] = {"workers": task.work.readers, "device": task.work.device}
        if is_run(task.folder):
            try:
                train(resume=task.folder, **common)
                return
            except SpecError as error:
                if error.diagnostics[0].code not in _USELESS:
                    raise
                task.say(f"{task.run.name}: from the start: {error.diagnostics[0].message}")
                shutil.rmtree(task.folder)
        run = task.run
        network = self.plan.network(run)
        # The file is called by its digest; the run tells the name that the study calls it by.
        recipe = load_recipe(task.store.root / "recipes" / f"{run.recipe}.yaml")
        name = told_by(self.plan.recipes[run.recipe]).get("recipe", run.recipe)
        recipe = recipe.model_copy(update={"name": str(name)})
        data = self.plan.data[run.data]
        if data.path is None:
            message = f"where the data set `{run.data}` lies was not known when this was planned"
            help = f"plan it again with --data {run.data}=DIR"
            raise SpecError(Diagnostic("no-data", message, help=help))
        train(
            network, data.path, recipe=recipe, run=task.folder, seed=run.seed,
            lists=dict(data.lists), weights=task.weights or run.weights, image=run.image, **common,
        )  # fmt: skip


_USELESS = frozenset({"damaged-run", "no-checkpoint", "no-run", "other-format", "unreadable-run"})
"""What is wrong with the folder of a run that cannot go on: it is trained from the start."""


def _test(task: Task) -> Predictions | None:
    """Write the predictions on the validation videos and return them; None without any."""
    from stspec.api.videos import evaluate
    from stspec.evaluate.predictions import write_predictions

    trained = json.loads((task.folder / "metrics.json").read_text(encoding="utf-8"))
    if trained.get("val") is None:
        return None
    # What training leaves out because it cannot be read is left out of the test as well.
    recipe = (task.folder / "recipe.yaml").read_text(encoding="utf-8")
    found = evaluate(
        task.folder, batch=BATCH, workers=task.work.readers or 0, device=task.work.device,
        broken="skip" if "broken: skip" in recipe else "error",
    )  # fmt: skip
    # Where the run lies while it is under way is nobody's business later on.
    about = {**found.about, "weights": "weights.safetensors"}
    write_predictions(task.folder / "predictions.npz", replace(found, about=about))
    return found


def _latency(network: Network, device: str | None) -> float | None:
    """Return the milliseconds that a clip by itself takes on the run's device; None if unknown."""
    from stspec.bench import least_latency

    try:
        return round(1e3 * least_latency(network, device), 3)
    except SpecError:
        return None


def _result(
    run: PlannedRun, tested: Predictions | None, seconds: float, latency: float | None
) -> Result:
    metrics = None if tested is None else tested.metrics()
    extra: dict[str, Plain] = {"seconds": round(seconds, 1)}
    if latency is not None:
        extra |= {"latency_ms": latency}
    if metrics is not None:
        extra |= {"videos": metrics.count}
    if tested is not None and tested.views.count > 1:
        extra |= {"clip_top1": tested.clip_top1}
    if metrics is not None and metrics.mean_ap is not None:
        extra |= {"mean_ap": metrics.mean_ap}
    return Result(
        key=run.key,
        name=run.name,
        facets=run.facets,
        settings=run.settings,
        top1=None if metrics is None else metrics.top1,
        top5=None if metrics is None else metrics.top5,
        mean_class=None if metrics is None else metrics.mean_class,
        params=run.params,
        macs=run.macs,
        seed=run.seed,
        extra=extra,
    )


def _before(folder: Path) -> float:
    """Return the seconds that processes before this one trained, up to their last whole epochs."""
    total = last = 0.0
    try:
        for line in (folder / "timing.jsonl").read_text(encoding="utf-8").splitlines():
            seconds = float(json.loads(line)["seconds"])
            if seconds < last:  # another process
                total += last
            last = seconds
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return total + last


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Append what is told to a log. That a full disk does not take it stops nothing."""
    try:
        file: TextIO | None = path.open("a", encoding="utf-8")
    except OSError:
        file = None
    with redirect_stderr(cast("TextIO", _Careful(file))):
        try:
            yield
        finally:
            if file is not None:
                _Careful(file).close()


class _Careful:
    """A stream that never fails."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file

    def write(self, text: str) -> int:
        try:
            return self._file.write(text) if self._file is not None else len(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        try:
            if self._file is not None:
                self._file.flush()
        except OSError:
            self._file = None

    def close(self) -> None:
        try:
            if self._file is not None:
                self._file.close()
        except OSError:
            self._file = None

    def isatty(self) -> bool:
        return False
