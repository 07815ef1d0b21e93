"""What is shown while a run goes on: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

EVERY = 10.0
"""Seconds between plain lines."""


@dataclass
class Clock:
    """Where the time of a run goes: clips, and the share spent waiting for them."""

    total: int
    """Steps of the run."""
    done: int = 0
    clips: int = 0
    waited: float = 0.0
    other: float = 0.0
    """Seconds outside of steps: validation, saving."""
    started: float = field(default_factory=time.perf_counter)

    def spent(self) -> float:
        """Return seconds in steps, waiting included."""
        return max(time.perf_counter() - self.started - self.other, 1e-9)

    @property
    def wait_share(self) -> float:
        """Return the share of the time of steps that was spent waiting for data."""
        return min(1.0, self.waited / self.spent())

    @property
    def throughput(self) -> float:
        """Return clips a second."""
        return self.clips / self.spent()

    def remaining(self, left: int) -> float:
        """Return the seconds that so many steps will take."""
        elapsed = time.perf_counter() - self.started
        return elapsed / self.done * left if self.done else 0.0

    def numbers(self) -> dict[str, float]:
        """Return what goes to `timing.jsonl`."""
        return {
            "seconds": round(time.perf_counter() - self.started, 3),
            "clips_per_second": round(self.throughput, 2),
            "wait_share": round(self.wait_share, 4),
        }

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Count what happens inside as no part of steps."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.other += time.perf_counter() - start


def duration(seconds: float) -> str:
    """Return a duration as people say it: 42 s, 3 min 10 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


METRICS = {
    "loss": "val", "top1": "top-1", "top5": "top-5", "mean_class": "mean class", "mean_ap": "mAP",
}  # fmt: skip
"""Metrics of validation as they are told."""


def step_line(record: Mapping[str, Any], clock: Clock, left: int) -> str:
    """Return one line on a step: loss, rate, throughput, share of waiting, time left."""
    return (
        f"loss {record['loss']:.3f}  lr {record['lr']:.3g}  {clock.throughput:.3g} clips/s  "
        f"{clock.wait_share:.0%} wait for data  {duration(clock.remaining(left))} left"
    )


def epoch_line(record: Mapping[str, Any], epochs: int) -> str:
    """Return one line on an epoch: its loss and its metrics."""
    parts = [f"epoch {record['epoch'] + 1}/{epochs}", f"loss {record['train_loss']:.3f}"]
    metrics = record.get("val") or {}
    for name, title in METRICS.items():
        value = metrics.get(name)
        if value is not None:
            parts.append(f"{title} {f'{value:.3f}' if name == 'loss' else f'{value:.1%}'}")
    return "  ".join(parts)


class Silence:
    """Says nothing: for all processes but the first."""

    def note(self, text: str) -> None:
        """Say something once."""

    def step(self, record: Mapping[str, Any], clock: Clock, left: int) -> None:
        """Tell of a step."""

    def epoch(self, record: Mapping[str, Any], epochs: int) -> None:
        """Tell of an epoch."""

    def close(self) -> None:
        """Be done."""


class Lines(Silence):
    """A plain line now and then."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self._next = 0.0

    def note(self, text: str) -> None:
        """Say something once."""
        self.stream.write(text + "\n")
        self.stream.flush()

    def step(self, record: Mapping[str, Any], clock: Clock, left: int) -> None:
        """Tell of a step, every ten seconds."""
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + EVERY
            self.note(f"step {record['step']}  {step_line(record, clock, left)}")

    def epoch(self, record: Mapping[str, Any], epochs: int) -> None:
        """Tell of an epoch."""
        self.note(epoch_line(record, epochs))


class Live(Lines):
    """A bar that moves, on a terminal; epochs stand above it."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self._progress = Progress(
            BarColumn(bar_width=10), TaskProgressColumn(), TextColumn("{task.description}"),
            console=Console(file=self.stream), transient=True, redirect_stdout=False,
            redirect_stderr=False, refresh_per_second=4,
        )  # fmt: skip
        self._task = self._progress.add_task("starting", total=total)
        self._progress.start()

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        from rich.text import Text

        self._progress.console.print(Text(text))

    def step(self, record: Mapping[str, Any], clock: Clock, left: int) -> None:
        """Move the bar."""
        total = self._progress.tasks[0].total or 0
        text = step_line(record, clock, left)
        self._progress.update(self._task, completed=total - left, description=text)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def view(total: int, speaks: bool, stream: TextIO | None = None) -> Silence:
    """Return the view for where standard error goes."""
    found = stream or sys.stderr
    if not speaks:
        return Silence()
    return Live(total, found) if found.isatty() else Lines(found)
