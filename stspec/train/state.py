"""A stage's state, to tensors by name and back, to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from stspec.train.ema import Average


@dataclass
class Position:
    """Where a run stands: what comes next."""

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    """Steps of the whole run."""

    def plain(self) -> dict[str, int]:
        """Return the position as plain values."""
        return asdict(self)


def collect(module: nn.Module, optimizer: Optimizer, average: Average | None) -> dict[str, Tensor]:
    """Return weights, buffers, the optimiser's state and the average, by name."""
    tensors = {f"model.{key}": value for key, value in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{key}.{name}"] = value
    if average is not None:
        tensors |= {f"average.{key}": value for key, value in average.state.items()}
    return tensors


def restore(
    tensors: Mapping[str, Tensor], module: nn.Module, optimizer: Optimizer, average: Average | None
) -> None:
    """Put everything back in place."""
    module.load_state_dict(part(tensors, "model"))
    parameters = dict(module.named_parameters())
    for key, value in part(tensors, "optimizer").items():
        kind, _, name = key.partition(".")
        parameter = parameters[name]
        # Optimisers keep their count of steps on the CPU.
        device = value.device if kind == "step" else parameter.device
        optimizer.state[parameter][kind] = value.to(device)
    if average is not None:
        average.load(part(tensors, "average"))


def part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a word, without it."""
    prefix = name + "."
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def misfit(tensors: Mapping[str, Tensor], shapes: Mapping[str, Any]) -> str | None:
    """Return why tensors are not those of a model, or None."""
    found = {key: tuple(value.shape) for key, value in part(tensors, "model").items()}
    if found != {key: tuple(shape) for key, shape in shapes.items()}:
        return "its weights are those of another model"
    return None


def is_finite(module: nn.Module) -> bool:
    """Tell whether all weights are finite."""
    sums = [p.detach().abs().amax() for p in module.parameters() if p.numel()]
    return bool(torch.stack([s.float() for s in sums]).isfinite().all()) if sums else True
