"""What a run will do, worked out before it does anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from stspec.analysis.cost import BYTES, Row, cost
from stspec.analysis.reach import trunk_reach
from stspec.network import Network
from stspec.train.distributed import World
from stspec.train.feed import Feed
from stspec.train.recipe import Recipe, Stage
from stspec.train.schedule import peak_rate
from stspec.train.setup import check_shares, steps_of
from stspec.train.stages import with_frames

INDEX = 8
"""Bytes of the place of a maximum."""


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


def estimate(network: Network, recipe: Recipe, clips: int) -> int:
    """Return the bytes that training takes at its height, roughly.

    Weights, gradients and the optimiser's state in float32; the clips; all outputs of operators
    for so many clips, in the recipe's precision; where maxima stood, which pools keep; gradients
    of the largest output and of what it came from. Of stages that are computed again, what goes
    into them. What libraries take for themselves (workspaces, what an allocator keeps for later)
    is not counted.
    """
    found = cost(network)
    copies = 2 + (2 if recipe.optimizer.kind == "adamw" else 1) + (recipe.ema is not None)
    again = {str(stage) for stage in recipe.checkpoint_stages}
    width = BYTES if recipe.precision == "float32" else BYTES // 2
    kept = sum(_kept(row, width) for row in found.rows if row.stage not in again)
    inner = [sum(_kept(r, width) for r in found.rows if r.stage == stage) for stage in again]
    largest = 2 * width * max((row.activations for row in found.rows), default=0)
    given = network.facts.input.numel * (1 + BYTES)
    weights = copies * BYTES * network.facts.params
    return weights + clips * (given + kept + max(inner, default=0) + largest)


def _kept(row: Row, width: int) -> int:
    """Return the bytes that an operator leaves for the backward, of one clip."""
    indices = INDEX if "max_pool" in row.kind else 0
    return row.activations * (width + indices)
