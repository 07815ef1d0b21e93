"""Optimisers, with rates and decays by kind of parameter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import SGD, AdamW, Optimizer

from stspec.train.recipe import Optimizer as Keys

RGB = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of parameter: its rate and decay as factors of the recipe's."""

    name: str
    lr: float = 1.0
    decay: float = 1.0


PLAIN = Kind("all")
FIRST_WEIGHT = Kind("weight of the first convolution")
FIRST_BIAS = Kind("bias of the first convolution", 2, 0)
WEIGHT = Kind("weights")
BIAS = Kind("biases", 2, 0)
NORM = Kind("batch norms", 1, 0)
HEAD_WEIGHT = Kind("weight of the classifier", 5, 1)
HEAD_BIAS = Kind("bias of the classifier", 10, 0)
FLOW_WEIGHT = Kind("weight of the first convolution, of flow", 5, 1)
FLOW_BIAS = Kind("bias of the first convolution, of flow", 10, 0)


def build_optimizer(module: nn.Module, keys: Keys) -> Optimizer:
    """Return the optimiser of a module's parameters that are learnt.

    Every group has `scale`, by which its rate is multiplied: see `set_rate`.
    """
    groups: dict[str, dict[str, Any]] = {}
    for parameter, kind in kinds(module, keys):
        fresh = {
            "params": [],
            "name": kind.name,
            "scale": kind.lr,
            "weight_decay": keys.weight_decay * kind.decay,
        }
        groups.setdefault(kind.name, fresh)["params"].append(parameter)
    if keys.kind == "sgd":
        return SGD(
            list(groups.values()), lr=keys.lr, momentum=keys.momentum, nesterov=keys.nesterov
        )
    return AdamW(list(groups.values()), lr=keys.lr, betas=(keys.betas[0], keys.betas[1]))


def set_rate(optimizer: Optimizer, lr: float) -> None:
    """Set the learning rate of all groups, each by its scale."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["scale"]


def kinds(module: nn.Module, keys: Keys) -> Iterator[tuple[nn.Parameter, Kind]]:
    """Yield every parameter that is learnt, with its kind.

    `tsn` gives the groups of Temporal Segment Networks (Wang et al., ECCV 2016): biases at twice
    the rate, no decay of biases and batch norms, and on flow a first convolution at five times.
    `tsm` adds the classifier at five times, its bias at ten (Lin et al., ICCV 2019).
    """
    if keys.groups == "plain":
        yield from ((p, PLAIN) for p in module.parameters() if p.requires_grad)
        return
    owners = [m for m in module.modules() if next(m.parameters(recurse=False), None) is not None]
    first = next((m for m in owners if _is_conv(m)), None)
    last = next((m for m in reversed(owners) if isinstance(m, nn.Linear)), None)
    seen: set[int] = set()
    for owner in owners:
        for name, parameter in owner.named_parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                yield parameter, _kind(owner, name, first, last if keys.groups == "tsm" else None)


def _kind(owner: nn.Module, name: str, first: nn.Module | None, last: nn.Module | None) -> Kind:
    is_bias = name == "bias"
    if isinstance(owner, _BatchNorm):
        return NORM
    if owner is first:
        flow = getattr(owner, "in_channels", RGB) != RGB
        weight, bias = (FLOW_WEIGHT, FLOW_BIAS) if flow else (FIRST_WEIGHT, FIRST_BIAS)
        return bias if is_bias else weight
    if owner is last:
        return HEAD_BIAS if is_bias else HEAD_WEIGHT
    return BIAS if is_bias else WEIGHT


def _is_conv(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
