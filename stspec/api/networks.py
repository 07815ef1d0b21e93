"""What is asked of networks: source, module, cost, difference; without torch where it can be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stspec.network import Network, Overrides, Target, load

if TYPE_CHECKING:
    from torch import Tensor, nn

    from stspec.analysis.cost import Cost
    from stspec.diff import Diff
    from stspec.weights.report import Report


def build(target: Network | Target, overrides: Overrides = ()) -> nn.Module:
    """Return the model as a module, its weights freshly initialised.

    The module takes clips (N, C, T, H, W) and gives scores (N, classes).

    Raises:
        SpecError: if the spec is wrong.
    """
    from stspec.module import build_module

    return build_module(_network(target, overrides))


def emit(target: Network | Target, overrides: Overrides = ()) -> str:
    """Return the model's standalone source, which imports torch alone.

    Raises:
        SpecError: if the spec is wrong.
    """
    return _network(target, overrides).emit().text


def cost(target: Network | Target, overrides: Overrides = ()) -> Cost:
    """Return parameters, MACs, activations and receptive fields, of every node and in total.

    Raises:
        SpecError: if the spec is wrong.
    """
    from stspec.analysis.cost import cost as cost_of

    return cost_of(_network(target, overrides))


def diff(before: Network | Target, after: Network | Target) -> Diff:
    """Return how the second model differs from the first.

    Raises:
        SpecError: if one of the specs is wrong.
    """
    from stspec.diff import diff as diff_of

    return diff_of(_network(before, ()), _network(after, ()))


def load_weights(
    network: Network,
    module: nn.Module,
    source: str | Path | Mapping[str, Tensor],
    importer: str | None = None,
    *,
    classes: Literal["match", "replace"] = "match",
    image: bool = False,
) -> Report:
    """Load a checkpoint of ours, of a public code base or of an image network into a module.

    Args:
        network: the compiled spec.
        module: what ``build`` made of it; its parameters are written in place.
        source: a file (.pt, .pth, .safetensors), or a state dict.
        importer: the code base, such as ``ibm``; recognised by its keys where not given.
        classes: ``replace`` leaves a classifier of another number of classes as it is.
        image: the checkpoint is of an image network, whose weights fill 2D parts by equality and
            3D parts by the policy's inflation.

    Returns:
        What became of every tensor; ``.table()`` tells it in groups.

    Raises:
        SpecError: if the file cannot be read, or a tensor does not fit.
    """
    from stspec.module import load_weights as load_into

    _compiled(network, "network")
    return load_into(network, module, source, importer, classes=classes, image=image)


def transplant_weights(
    network: Network,
    module: nn.Module,
    donor: Network,
    source: str | Path | Mapping[str, Tensor] | nn.Module,
    *,
    keep: Literal["none", "first", "last"] = "none",
) -> Report:
    """Let the weights of a network with the same backbone start a module: other policy or input.

    Kernels are inflated by the policy, summed over time where they become flat, and resized where
    they span other frames; what depends on the number of frames is resampled; a stem is adapted
    to other channels by its mean.

    Args:
        network: the compiled spec.
        module: what ``build`` made of it; its parameters are written in place.
        donor: the compiled spec of the other network.
        source: the other's weights under our names: a module, a file, or a state dict.
        keep: the first, or the last, input channels keep their own weights where there are more, as
            frames do that stand in front of their differences.

    Returns:
        What became of every tensor; what does not fit keeps its initial values.

    Raises:
        SpecError: if the file cannot be read, or nothing of the one belongs to the other.
    """
    from stspec.module import transplant_weights as transplant_into

    _compiled(network, "network")
    _compiled(donor, "donor")
    return transplant_into(network, module, donor, source, keep=keep)


def _network(target: Network | Target, overrides: Overrides) -> Network:
    if not isinstance(target, Network):
        return load(target, overrides)
    if tuple(overrides):
        raise TypeError("overrides belong to load(): this network is compiled already")
    return target


def _compiled(value: object, name: str) -> None:
    if not isinstance(value, Network):
        raise TypeError(f"`{name}` is of type {type(value).__name__}: load() compiles a network")
