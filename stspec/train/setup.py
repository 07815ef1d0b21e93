"""A stage of a run, made ready: module, optimiser, average."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from stspec.diagnostics import Diagnostic, SpecError
from stspec.module import build_module
from stspec.network import Network
from stspec.rng import keyed_seed
from stspec.train import norms
from stspec.train.distributed import World
from stspec.train.dropout import keyed_dropout
from stspec.train.effort import steps_of
from stspec.train.ema import Average
from stspec.train.feed import Feed
from stspec.train.live import Silence
from stspec.train.memory import recompute, set_channels_last
from stspec.train.optim import build_optimizer
from stspec.train.recipe import Norm, Recipe, Schedule
from stspec.train.schedule import peak_rate
from stspec.train.stages import carry, with_frames
from stspec.train.state import Position
from stspec.train.step import Normalise, Stepper


@dataclass
class Given:
    """What a run is given, and keeps from its first step to its last."""

    network: Network
    recipe: Recipe
    feed: Feed
    world: World
    seed: int
    view: Silence


@dataclass
class Stage:
    """One stage of a run: what is trained, and for how long."""

    network: Network
    module: nn.Module
    stepper: Stepper
    average: Average | None
    frozen: list[_BatchNorm]
    norm: Norm
    schedule: Schedule
    peak: float
    steps: int
    """Steps of an epoch."""
    epochs: int
    first_epoch: int
    """Epochs of the stages before, so that draws differ from stage to stage."""
    pending: deque[tuple[dict[str, Any], Tensor]] = field(default_factory=deque)
    """Steps that are taken and not yet logged: their records and sums."""

    def steps_before(self, position: Position) -> int:
        """Return the steps of this stage before a position."""
        return position.epoch * self.steps + position.batch

    def train_mode(self) -> None:
        """Set the module to training, frozen batch norms aside."""
        norms.train_mode(self.stepper.runner, self.frozen)

    def agree(self, world: World) -> None:
        """Give all processes the first one's statistics of batch norms."""
        if world.size > 1:
            for buffer in self.module.buffers():
                dist.broadcast(buffer, 0)
            for value in self.average.state.values() if self.average is not None else ():
                dist.broadcast(value, 0)

    def hand_over(self, given: Given, frames: int | None) -> nn.Module:
        """Return the module of the next stage, with this one's weights.

        Raises:
            SpecError: if a tensor depends on the number of frames in another way than the rule's.
        """
        state = self.average.state if self.average is not None else self.module.state_dict()
        after = with_frames(given.network, frames)
        clips = self.network.spec.model.clip.frames, after.spec.model.clip.frames
        carried, stretched = carry(state, after.state, clips)
        if stretched:
            given.view.note(
                f"stretched from {clips[0]} to {clips[1]} frames: {', '.join(stretched)}"
            )
        module = fresh_module(after, given.seed)
        module.load_state_dict(carried)
        return module


def fresh_module(network: Network, seed: int) -> nn.Module:
    """Return a module whose first weights follow from the seed."""
    torch.manual_seed(keyed_seed(seed, "init"))
    return build_module(network)


def check_shares(batch: int, accumulate: int, world: int, even: bool) -> None:
    """Refuse a batch that cannot be shared equally.

    Args:
        batch: clips of a step.
        accumulate: parts that each process computes one after the other.
        world: number of processes.
        even: whether parts must hold pairs, as mixup needs.

    Raises:
        SpecError: naming a batch that can.
    """
    parts = accumulate * world * (2 if even else 1)
    if batch % parts:
        pairs = " of whole pairs (mixup)" if even else ""
        processes = "1 process" if world == 1 else f"{world} processes"
        each = "1 part" if accumulate == 1 else f"{accumulate} parts"
        message = (
            f"a batch of {batch} cannot be shared equally by {processes}, in {each} each{pairs}"
        )
        near = max(parts, round(batch / parts) * parts)
        raise SpecError(Diagnostic("uneven-batch", message, help=f"--set batch={near}"))


def build_stage(given: Given, number: int, module: nn.Module) -> Stage:
    """Return a stage that is ready to train a module.

    Raises:
        SpecError: if recipe, spec and data do not go together.
    """
    recipe, world = given.recipe, given.world
    phase = recipe.phases[number]
    network = with_frames(given.network, phase.frames)
    clip = network.spec.model.clip
    assert phase.batch and phase.accumulate and phase.epochs and phase.lr
    assert phase.schedule is not None and phase.norm is not None
    check_shares(phase.batch, phase.accumulate, world.size, recipe.mixup > 0)
    steps = steps_of(given.feed.count, phase.batch)
    module = module.to(world.device)
    if recipe.channels_last:
        set_channels_last(module)
    if phase.norm.mode == "sync":
        module, word = norms.synchronise(module, world.device, world.size)
        if word:
            given.view.note(word)
    frozen = norms.frozen_norms(module, phase.norm)
    norms.freeze(frozen)
    recompute(module, network, recipe.checkpoint_stages)
    masks = keyed_dropout(module, given.seed)
    stepper = Stepper(
        runner=_runner(module, recipe, world),
        optimizer=build_optimizer(module, recipe.optimizer),
        scaler=torch.amp.GradScaler(world.device.type, enabled=recipe.precision == "float16"),
        normalise=Normalise(*recipe.data.statistics(clip.channels), world.device),
        recipe=recipe,
        seed=given.seed,
        world=world,
        batch=phase.batch,
        accumulate=phase.accumulate,
        multi_label=given.feed.multi_label,
        classes=len(given.feed.classes),
        masks=masks,
    )
    average = Average(module, recipe.ema) if recipe.ema is not None else None
    peak = peak_rate(phase.lr, phase.batch, phase.schedule)
    return Stage(
        network, module, stepper, average, frozen, phase.norm, phase.schedule, peak, steps,
        phase.epochs, sum(before.epochs or 0 for before in recipe.phases[:number]),
    )  # fmt: skip


def _runner(module: nn.Module, recipe: Recipe, world: World) -> nn.Module:
    """Return the module as it is called: compiled, and in step with the other processes'."""
    runner = module
    if recipe.compile:
        runner = cast("nn.Module", torch.compile(runner))
    if world.size > 1 and any(p.requires_grad for p in module.parameters()):
        devices = [world.device] if world.device.type == "cuda" else None
        runner = DistributedDataParallel(runner, device_ids=devices)
    return runner
