"""Memory formats, and activations that are computed again instead of kept."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from stspec.analysis.cost import stage_names
from stspec.diagnostics import Diagnostic, SpecError
from stspec.network import Network
from stspec.train.norms import without_updates


def set_channels_last(module: nn.Module) -> None:
    """Lay out the weights of 2D and 3D convolutions with channels last, in place."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in module.parameters():
        if parameter.dim() in formats:
            parameter.data = parameter.data.contiguous(memory_format=formats[parameter.dim()])


def recompute(module: nn.Module, network: Network, stages: Iterable[int]) -> None:
    """Keep only what goes into the blocks of some stages, and compute the rest again backwards.

    (Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016.) Running statistics of
    batch norms are updated once, and dropout drops the same.

    Raises:
        SpecError: if there is no such stage.
    """
    wanted = {str(stage) for stage in stages}
    found: dict[str, list[str]] = {}
    for path, stage in stage_names(network.graph):
        if "." not in path:
            found.setdefault(stage, []).append(path)
    if unknown := sorted(wanted - found.keys()):
        message = f"{network.name} has no stage {unknown[0]} to compute again"
        help = f"its stages are {', '.join(found)}"
        raise SpecError(Diagnostic("unknown-stage", message, help=help))
    for stage in sorted(wanted):
        for path in found[stage]:
            owner = getattr(module, path, None)
            if isinstance(owner, nn.Sequential):
                for block in owner:
                    _recompute(block)
            elif isinstance(owner, nn.Module):
                _recompute(owner)


def _recompute(block: nn.Module) -> None:
    own = block.forward

    def forward(*inputs: Any) -> Any:
        if not torch.is_grad_enabled():
            return own(*inputs)
        contexts = partial(_contexts, block)
        return checkpoint(own, *inputs, use_reentrant=False, context_fn=contexts)

    block.forward = forward


def _contexts(block: nn.Module) -> tuple[Any, Any]:
    return nullcontext(), without_updates(block)
