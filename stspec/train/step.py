"""One step: a batch in parts, forward and backward, and the optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from stspec.data.transforms import check_channels
from stspec.rng import keyed_seed
from stspec.train.distributed import World
from stspec.train.dropout import Masks
from stspec.train.feed import Batch
from stspec.train.mixup import mix
from stspec.train.recipe import Recipe

TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Normalise:
    """uint8 clips to floats on the device, as `stspec.data.transforms.normalise` does it."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        shape = (1, -1, 1, 1, 1)
        scale = [1 / (255 * value) for value in std]
        shift = [-m / s for m, s in zip(mean, std, strict=True)]
        self.device = device
        # Made once: a tensor made in each step would wait for a GPU.
        self.scale = torch.tensor(scale, device=device).view(shape)
        self.shift = torch.tensor(shift, device=device).view(shape)

    def __call__(self, clips: Tensor) -> Tensor:
        """(N, C, T, H, W) uint8 -> float32."""
        check_channels(clips.shape[1], self.shift.shape[1])
        clips = clips.to(self.device, non_blocking=True)
        return torch.addcmul(self.shift, clips.float(), self.scale)


def soft_targets(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """Return rows (N, classes) that a loss compares scores with.

    Args:
        labels: classes (N,), or multi-hot (N, classes).
        classes: number of classes.
        smoothing: share spread over all classes (Szegedy et al., CVPR 2016).
    """
    if labels.dim() == 2:
        return labels.float() * (1 - smoothing) + smoothing / 2
    return F.one_hot(labels, classes).float() * (1 - smoothing) + smoothing / classes


@dataclass
class Stepper:
    """Everything that one step needs, of one stage of a run."""

    runner: nn.Module
    """The module as it is called: wrapped, compiled, or itself."""
    optimizer: Optimizer
    scaler: torch.amp.GradScaler
    normalise: Normalise
    recipe: Recipe
    seed: int
    world: World
    batch: int
    accumulate: int
    multi_label: bool
    classes: int
    masks: Masks

    def step(self, batch: Batch, step: int, asked: bool) -> Tensor:
        """Take a step; return (sum of losses, clips, processes asked to leave) of all processes.

        Accumulated parts give the gradients of the whole batch, and so do the processes' shares:
        each part's loss is its sum over the clips of a full share.
        """
        # What is drawn follows from the step alone, so nothing is replayed when a run goes on.
        # Dropout's masks are keyed by clip: see `masks`.
        torch.manual_seed(keyed_seed(self.seed, "step", step, self.world.rank))
        self.optimizer.zero_grad(set_to_none=True)
        share = self.batch // self.world.size
        size = max(1, share // self.accumulate)
        total = torch.zeros((), dtype=torch.float64, device=self.world.device)
        parts = list(zip(batch["clips"].split(size), batch["labels"].split(size), strict=True))
        for number, (clips, labels) in enumerate(parts, 1):
            first = self.world.rank * share + (number - 1) * size
            masks = self.masks.of(step, first, len(clips))
            with masks, self._quiet(number < len(parts)):
                loss = self._loss(clips, labels, step)
                self.scaler.scale(loss / share).backward()
            total += loss.detach()
        self._update()
        count = float(len(batch["clips"]))
        rest = torch.tensor([count, float(asked)], dtype=torch.float64, device=self.world.device)
        return self.world.total(torch.cat([total.view(1), rest]))

    def _loss(self, clips: Tensor, labels: Tensor, step: int) -> Tensor:
        """Return the sum of the losses of clips."""
        inputs = self.normalise(clips)
        labels = labels.to(self.world.device, non_blocking=True)
        plain = labels.dim() == 1 and not self.recipe.mixup
        smoothing = self.recipe.label_smoothing
        targets = labels if plain else soft_targets(labels, self.classes, smoothing)
        if self.recipe.mixup:
            inputs, targets = mix(inputs, targets, self.recipe.mixup, self.seed, step)
        with autocast(self.recipe, self.world.device):
            scores = self.runner(inputs).float()
        if self.multi_label:
            # Each class is a question of its own; a clip's loss is their mean.
            losses = F.binary_cross_entropy_with_logits(scores, targets, reduction="none")
            return losses.mean(1).sum()
        smoothing = smoothing if plain else 0.0
        return F.cross_entropy(scores, targets, reduction="sum", label_smoothing=smoothing)

    def _update(self) -> None:
        if self.recipe.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            groups = self.optimizer.param_groups
            clip_grad_norm_([p for g in groups for p in g["params"]], self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _quiet(self, quiet: bool) -> Any:
        """Gradients are exchanged once a step, with its last part."""
        if quiet and isinstance(self.runner, DistributedDataParallel):
            return self.runner.no_sync()
        return nullcontext()


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """Return the context in which products are of the recipe's precision."""
    kind = TYPES[recipe.precision]
    on = kind is not torch.float32
    return torch.autocast(device.type, kind if on else torch.bfloat16, enabled=on)
