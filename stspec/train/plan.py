"""What a run will do, worked out before it does anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from stspec.analysis.reach import trunk_reach
from stspec.network import Network
from stspec.train.distributed import World
from stspec.train.effort import estimate, steps_of
from stspec.train.feed import Feed
from stspec.train.recipe import Recipe, Stage
from stspec.train.schedule import peak_rate
from stspec.train.setup import check_shares
from stspec.train.stages import with_frames


class Planned(Protocol):
    """What is to be trained."""

    @property
    def network(self) -> Network:
        """Return the compiled spec."""

    @property
    def recipe(self) -> Recipe:
        """Return the recipe."""

    @property
    def feed(self) -> Feed:
        """Return the data."""


@dataclass(frozen=True)
class StagePlan:
    """One stage: how much is done, at which rate, in how much memory, and what it can see."""

    frames: int
    size: tuple[int, int]
    epochs: int
    batch: int
    steps: int
    """Of an epoch."""
    peak: float
    rule: str
    """How the rate came about."""
    at_once: int
    """Clips that one process computes at once."""
    memory: int
    """Bytes, by `estimate`, of one process."""
    field: int | None
    """Frames that the end of the trunk looks at; None: all."""

    @property
    def reach(self) -> str:
        """Return the temporal receptive field in words, against the clip."""
        if self.field is None or self.field >= self.frames:
            seen = "all" if self.field is None else str(self.field)
            return f"{seen} frames of a clip of {self.frames}: every output can see all of it"
        return f"{self.field} of the {self.frames} frames of a clip; only the head joins the rest"


@dataclass(frozen=True)
class Plan:
    """All stages of a run."""

    stages: tuple[StagePlan, ...]
    clips: int
    notes: tuple[str, ...]

    @property
    def total_steps(self) -> int:
        """Return the steps of the whole run."""
        return sum(stage.steps * stage.epochs for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "clips": self.clips,
            "steps": self.total_steps,
            "notes": list(self.notes),
            "stages": [
                {
                    "frames": s.frames, "size": list(s.size), "epochs": s.epochs,
                    "batch": s.batch, "steps_per_epoch": s.steps, "peak_lr": s.peak,
                    "memory": s.memory, "temporal_field": s.field,
                }
                for s in self.stages
            ],
        }  # fmt: skip


def plan(job: Planned, world: World) -> Plan:
    """Return what a run will do.

    Raises:
        SpecError: if the data do not fill a batch, or it cannot be shared.
    """
    recipe, notes = job.recipe, []
    stages = []
    for number, phase in enumerate(recipe.phases, 1):
        found = _stage(job, recipe, phase, world)
        stages.append(found)
        if phase.schedule is not None and phase.schedule.base_batch:
            notes.append(f"stage {number}: lr {found.peak:.4g} = {found.rule}")
        left = job.feed.count - found.steps * found.batch
        if left:
            notes.append(f"{left} of {job.feed.count} clips do not fill a batch, others each epoch")
    return Plan(tuple(stages), job.feed.count, tuple(dict.fromkeys(notes)))


def _stage(job: Planned, recipe: Recipe, phase: Stage, world: World) -> StagePlan:
    network = with_frames(job.network, phase.frames)
    clip = network.spec.model.clip
    assert phase.batch and phase.accumulate and phase.epochs and phase.lr and phase.schedule
    check_shares(phase.batch, phase.accumulate, world.size, recipe.mixup > 0)
    at_once = phase.batch // (phase.accumulate * world.size)
    base = phase.schedule.base_batch
    rule = f"{phase.lr:g} x {phase.batch} / {base}" if base else f"{phase.lr:g}"
    return StagePlan(
        frames=clip.frames,
        size=clip.sides,
        epochs=phase.epochs,
        batch=phase.batch,
        steps=steps_of(job.feed.count, phase.batch),
        peak=peak_rate(phase.lr, phase.batch, phase.schedule),
        rule=rule,
        at_once=at_once,
        memory=estimate(network, recipe, at_once),
        field=trunk_reach(network.facts).time.size,
    )
