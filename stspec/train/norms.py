"""Batch norms in training: frozen, partly frozen, over processes, with exact statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from stspec.train.recipe import Norm


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """Return all batch norms, in order."""
    return [found for found in module.modules() if isinstance(found, _BatchNorm)]


def frozen_norms(module: nn.Module, norm: Norm) -> list[_BatchNorm]:
    """Return the batch norms that keep statistics, scale and shift as they are.

    `partial` freezes all but the first (Temporal Segment Networks' partial BN).
    """
    found = batch_norms(module)
    return {"frozen": found, "partial": found[1:]}.get(norm.mode, [])


def freeze(norms: Iterable[_BatchNorm]) -> None:
    """Keep scale and shift from being learnt; call before the optimiser is made."""
    for norm in norms:
        for parameter in norm.parameters():
            parameter.requires_grad_(False)


def train_mode(module: nn.Module, frozen: Iterable[_BatchNorm]) -> None:
    """Set a module to training, its frozen batch norms to their running statistics."""
    module.train()
    for norm in frozen:
        norm.eval()


def synchronise(
    module: nn.Module, device: torch.device, world: int
) -> tuple[nn.Module, str | None]:
    """Return the module with statistics over all processes, and a word where that cannot be."""
    if world == 1:
        return module, None
    if device.type != "cuda":
        return module, "batch norms are of each process: torch synchronises them on GPUs alone"
    return nn.SyncBatchNorm.convert_sync_batchnorm(module), None


@torch.no_grad()
def make_precise(
    module: nn.Module, frozen: Iterable[_BatchNorm], clips: Iterable[Tensor],
    average: Callable[[Tensor], Tensor],
) -> None:  # fmt: skip
    """Replace running statistics by those of whole batches, averaged over all of them.

    (Wu et al., A Multigrid Method for Efficiently Training Video Models, and many before.)

    Args:
        module: run in training mode.
        frozen: batch norms that stay as they are.
        clips: batches (N, C, T, H, W) as the module takes them.
        average: the mean of a tensor over processes.
    """
    still = set(frozen)
    norms = [n for n in batch_norms(module) if n not in still and n.running_mean is not None]
    momenta = [norm.momentum for norm in norms]
    sums: list[list[Tensor]] = []
    train_mode(module, still)
    try:
        for norm in norms:
            norm.momentum = 1.0  # running statistics are those of the last batch then
        count = 0
        for batch in clips:
            module(batch)
            found = [[_known(n.running_mean), _known(n.running_var)] for n in norms]
            if count == 0:
                sums = [[stat.clone() for stat in pair] for pair in found]
            else:
                for pair, stats in zip(sums, found, strict=True):
                    for total, stat in zip(pair, stats, strict=True):
                        total.add_(stat)
            count += 1
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    for norm, pair in zip(norms, sums, strict=bool(sums)):
        _known(norm.running_mean).copy_(average(pair[0] / count))
        _known(norm.running_var).copy_(average(pair[1] / count))


@contextmanager
def without_updates(module: nn.Module) -> Iterator[None]:
    """Run a module a second time without a second update of running statistics."""
    norms = [norm for norm in batch_norms(module) if norm.training]
    before = [(norm.momentum, _count(norm)) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum = momentum
            if count is not None and norm.num_batches_tracked is not None:
                norm.num_batches_tracked.copy_(count)


def _count(norm: _BatchNorm) -> Tensor | None:
    return None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()


def _known(stat: Tensor | None) -> Tensor:
    assert stat is not None
    return stat
