"""The loop: stages, epochs, steps. Everything that a run is, in the order in which it happens.

A step depends on the seed, the stage, the epoch, the number of the batch, and the tensors that a
checkpoint holds; on nothing else. So a run that is killed anywhere goes on as if it had not been.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stspec.data.loader import LOST_READER
from stspec.diagnostics import SpecError, display_path
from stspec.evaluate.predictions import NOT_FINITE
from stspec.network import spec_text
from stspec.runs.checkpoint import Checkpoint, save_checkpoint
from stspec.runs.directory import RunFolder
from stspec.runs.log import Log, Writing
from stspec.runs.weights import save_weights
from stspec.train.faults import diverged, explained, lost_reader
from stspec.train.feed import Batch
from stspec.train.live import Clock
from stspec.train.norms import make_precise
from stspec.train.optim import set_rate
from stspec.train.schedule import rate
from stspec.train.setup import Given, Stage, build_stage
from stspec.train.signals import Leaving, LeftEarly
from stspec.train.state import Position, collect, is_finite, restore
from stspec.train.step import autocast
from stspec.train.trackers import Trackers


@dataclass
class Loop(Given):
    """A run under way."""

    folder: RunFolder
    log: Log
    clock: Clock
    trackers: Trackers
    leaving: Leaving
    environment: dict[str, Any]
    save_steps: int | None = None
    """Steps between checkpoints; those at the ends of epochs come in any case."""
    save_seconds: float = 600.0
    position: Position = field(default_factory=Position)
    losses: list[float] = field(default_factory=list)
    """Validation losses of this stage's epochs, for schedules that heed them."""
    epoch_losses: list[float] = field(default_factory=list)
    """Losses of this epoch's steps so far: their sum, and their number."""
    metrics: dict[str, Any] | None = None
    last: Path | None = None
    """The newest checkpoint of this run that is known to be good."""
    asked: bool = False
    """Whether any process was told to leave."""
    saved_step: int = 0
    """Steps that the newest checkpoint holds."""
    saved_at: float = field(default_factory=time.monotonic)

    def run(self, module: nn.Module, checkpoint: Checkpoint | None) -> dict[str, Any]:
        """Train from where the checkpoint stands, or from the start; return the last metrics.

        Raises:
            SpecError: if the run cannot go on; what it had saved stays good.
            LeftEarly: if it was told to leave.
        """
        phases = self.recipe.phases
        if checkpoint is not None:
            self._recall(checkpoint)
        elif self.world.is_first:
            self.log.start()
        for number in range(self.position.stage, len(phases)):
            stage = build_stage(self, number, module)
            if len(phases) > 1:
                frames = stage.network.spec.model.clip.frames
                self.view.note(f"stage {number + 1} of {len(phases)}: clips of {frames} frames")
            if checkpoint is not None:
                self._restore(stage, checkpoint)
                checkpoint = None
                if number + 1 == len(phases) and self.position.epoch == stage.epochs:
                    self.view.note("nothing is left to train")
                    if self.world.is_first:
                        # What was written behind the checkpoint may have been lost or damaged.
                        self._keep_weights(stage)
            elif self.position.step == 0:
                self.save(stage)
            while self.position.epoch < stage.epochs:
                self._guarded_epoch(stage)
            if number + 1 < len(phases):
                module = stage.hand_over(self, phases[number + 1].frames)
                self.position = Position(number + 1, 0, 0, self.position.step)
                self.losses = []
        if self.world.is_first:
            self.folder.write("metrics.json", self.metrics or {})
        return self.metrics or {}

    def _guarded_epoch(self, stage: Stage) -> None:
        """Take an epoch; say what to change where memory runs out, and leave where readers do."""
        try:
            with explained(stage.stepper.batch, stage.stepper.accumulate, self.world.size):
                self._epoch(stage)
        except SpecError as error:
            lost = error.diagnostics[0].code == LOST_READER
            if lost and self.leaving.asked:
                # The signal went to all processes: readers are gone, perhaps amid a step.
                raise LeftEarly(display_path(self.folder.folder), self.saved_step) from error
            if lost:
                raise lost_reader(error.diagnostics[0].message) from error
            raise

    def _epoch(self, stage: Stage) -> None:
        """Take an epoch's steps from where the run stands, then test, log and save."""
        stage.train_mode()
        for batch in self._batches(stage):
            self._step(stage, batch)
            self._leave_or_save(stage)
        self._settle(stage, 0)
        with self.clock.aside():
            self._end_epoch(stage)

    def _step(self, stage: Stage, batch: Batch) -> None:
        position = self.position
        lr = rate(
            stage.schedule, stage.peak, stage.steps_before(position), stage.steps, stage.epochs,
            self.losses,
        )  # fmt: skip
        set_rate(stage.stepper.optimizer, lr)
        sums = stage.stepper.step(batch, position.step, self.leaving.asked)
        if stage.average is not None:
            stage.average.update(stage.module)
        record = {
            "kind": "step", "stage": position.stage, "epoch": position.epoch,
            "step": position.step, "lr": lr,
        }  # fmt: skip
        for fault in filter(None, batch.get("faults", ())):
            self.view.note(f"video left out at step {position.step}: {fault}")
        stage.pending.append((record, sums))
        position.batch += 1
        position.step += 1
        self.clock.done += 1
        # A GPU works ahead of us: its numbers are fetched while the next step runs.
        self._settle(stage, 1 if self.world.device.type == "cuda" else 0)

    def _settle(self, stage: Stage, left: int) -> None:
        """Fetch and log the numbers of steps that are done, all but the newest few."""
        while len(stage.pending) > left:
            record, sums = stage.pending.popleft()
            total, count, asked = sums.tolist()
            loss = total / count if count else float("nan")
            record |= {"loss": loss, "samples": int(count)}
            if not torch.isfinite(sums).all() or not count:
                raise diverged("loss", record["step"], record["lr"], self.last)
            self.asked = self.asked or asked > 0
            self.epoch_losses = [sum(self.epoch_losses[:1]) + loss, sum(self.epoch_losses[1:]) + 1]
            self.clock.clips += int(count)
            if self.world.is_first:
                self.log.write(record)
                self.view.step(record, self.clock, self.clock.total - self.position.step)
                self.trackers.log({"train/loss": loss, "train/lr": record["lr"]}, record["step"])

    def _leave_or_save(self, stage: Stage) -> None:
        """Save where it is time to, and leave where any process was told to."""
        if self.asked:
            self._settle(stage, 0)
            self.save(stage)
            raise LeftEarly(display_path(self.folder.folder), self.position.step)
        by_steps = self.save_steps and self.position.step % self.save_steps == 0
        if by_steps or time.monotonic() - self.saved_at > self.save_seconds:
            self._settle(stage, 0)
            self.save(stage)

    def _end_epoch(self, stage: Stage) -> None:
        position = self.position
        if stage.norm.precise:
            average = self.world.mean
            make_precise(stage.module, stage.frozen, self._clips(stage), average)
        stage.agree(self.world)
        metrics = self._validate(stage)
        total, count = self.epoch_losses or [0.0, 0]
        record = {
            "kind": "epoch", "stage": position.stage, "epoch": position.epoch,
            "step": position.step, "train_loss": total / max(count, 1), "val": metrics,
        }  # fmt: skip
        if position.epoch == 0:  # the log has it for each epoch
            for name, reason in ((metrics or {}).get("left_out") or {}).items():
                self.view.note(f"validation: video left out: {name}: {reason}")
        if metrics is not None:
            self.losses.append(float(metrics.get("loss") or 0.0))
        self.metrics = {"stage": position.stage, "epoch": position.epoch, "val": metrics}
        self.epoch_losses = []
        position.epoch, position.batch = position.epoch + 1, 0
        if self.world.is_first:
            self.log.write(record)
            self.view.epoch(record, stage.epochs)
            self._track(record)
            self._keep_weights(stage)
        self.save(stage)
        # Others may not know yet; they are asked in the next step.
        if self.leaving.asked and self.world.size == 1:
            raise LeftEarly(display_path(self.folder.folder), position.step)

    def _validate(self, stage: Stage) -> dict[str, Any] | None:
        average = stage.average
        # Draws are no part of testing, but an operator of a user's own may draw.
        torch.manual_seed(self.seed)
        with average.swapped(stage.module) if average is not None else nullcontext():
            try:
                return self.feed.validate(stage.network, stage.module, self.world)
            except SpecError as error:
                if error.diagnostics[0].code != NOT_FINITE:
                    raise
                raise self._diverged(stage, "validation loss") from error

    def _keep_weights(self, stage: Stage) -> None:
        state = stage.average.state if stage.average is not None else stage.module.state_dict()
        about = {
            "classes": list(self.feed.classes), "multi_label": self.feed.multi_label,
            "step": self.position.step, "stage": self.position.stage,
            "epoch": self.position.epoch,
        }  # fmt: skip
        save_weights(self.folder.folder, stage.network, state, about)

    def _track(self, record: dict[str, Any]) -> None:
        numbers = {"epoch/train_loss": record["train_loss"]}
        for name, value in (record["val"] or {}).items():
            if isinstance(value, int | float):
                numbers[f"val/{name}"] = float(value)
        self.trackers.log(numbers, record["step"])
        path = self.folder.folder / "timing.jsonl"
        with Writing(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"epoch": record["epoch"], **self.clock.numbers()}) + "\n")

    def _batches(self, stage: Stage) -> Iterator[Batch]:
        """Yield the rest of this epoch's batches, taking note of the time spent waiting."""
        position = self.position
        batches = self.feed.train(
            stage.network, stage.stepper.batch, stage.first_epoch + position.epoch,
            position.batch, self.world,
        )  # fmt: skip
        left = stage.steps - position.batch
        start = time.perf_counter()
        for batch in batches:
            self.clock.waited += time.perf_counter() - start
            left -= 1
            yield batch
            start = time.perf_counter()
        assert left == 0, f"the feed ended {left} batches early"

    def _clips(self, stage: Stage) -> Iterator[Tensor]:
        """Yield the first clips of this epoch once more, as the module takes them."""
        epoch = stage.first_epoch + self.position.epoch
        batches = self.feed.train(stage.network, stage.stepper.batch, epoch, 0, self.world)
        torch.manual_seed(self.seed)
        with autocast(self.recipe, self.world.device):
            for batch in islice(batches, min(stage.norm.precise, stage.steps)):
                yield stage.stepper.normalise(batch["clips"])

    def save(self, stage: Stage) -> None:
        """Write a checkpoint of this moment.

        Raises:
            SpecError: if weights are not finite, or the disk is full; older ones stay good.
        """
        self.saved_at = time.monotonic()
        if not self.world.is_first:
            return
        with self.clock.aside():
            if not is_finite(stage.module):
                raise self._diverged(stage, "weights")
            mark = self.log.mark()
            values = {
                "position": self.position.plain(),
                "losses": self.losses,
                "epoch_losses": self.epoch_losses,
                "metrics": self.metrics,
                "scaler": stage.stepper.scaler.state_dict(),
                "log": [mark.offset, mark.sha256],
                **self._texts,
                "data": self.feed.about,
                "environment": self.environment,
            }
            tensors = collect(stage.module, stage.stepper.optimizer, stage.average)
            self.last = save_checkpoint(
                self.folder.checkpoints, self.position.step, tensors, values
            )
            self.saved_step = self.position.step

    @cached_property
    def _texts(self) -> dict[str, str]:
        """What a checkpoint must be resumed with; written out once, not in each save."""
        return {"spec": spec_text(self.network), "recipe": self.recipe.text()}

    def _diverged(self, stage: Stage, what: str) -> SpecError:
        lr = stage.stepper.optimizer.param_groups[0]["lr"]
        return diverged(what, self.position.step, lr, self.last)

    def _recall(self, checkpoint: Checkpoint) -> None:
        """Take over everything of a checkpoint but its tensors."""
        values = checkpoint.values
        self.position = Position(**values["position"])
        self.losses = list(values["losses"])
        self.epoch_losses = list(values["epoch_losses"])
        self.metrics = values["metrics"]
        self.last = checkpoint.path
        self.saved_step = checkpoint.step

    def _restore(self, stage: Stage, checkpoint: Checkpoint) -> None:
        optimizer = stage.stepper.optimizer
        restore(checkpoint.tensors, stage.module, optimizer, stage.average)
        if checkpoint.values["scaler"]:
            stage.stepper.scaler.load_state_dict(checkpoint.values["scaler"])
