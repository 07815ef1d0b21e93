"""Checkpoints are loaded into built modules, and every tensor is accounted for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from stspec.diagnostics import Diagnostic, SpecError
from stspec.graph.model import leaves, pathway_at, rules_of
from stspec.module.backbones import check_backbones
from stspec.network import Network
from stspec.passes.streams import parts, stems
from stspec.weights.arrays import Array
from stspec.weights.checkpoint import read_checkpoint
from stspec.weights.imagenet import fill_from_image
from stspec.weights.importer import CLASS_LAYERS, import_state_dict
from stspec.weights.inflate import Along, Keep
from stspec.weights.report import Imported, Report
from stspec.weights.transplant import Graft, transplant

Source = str | Path | Mapping[str, Tensor]


def load_weights(
    network: Network,
    module: nn.Module,
    source: Source,
    importer: str | None = None,
    *,
    classes: Literal["match", "replace"] = "match",
    image: bool = False,
) -> Report:
    """Load a checkpoint of ours, of a public code base, or of an image network.

    Args:
        network: the compiled spec.
        module: what ``build`` made of it; its parameters are written in place.
        source: a file (.pt, .pth, .safetensors), or a state dict.
        importer: the code base, such as ``ibm``; recognised by its keys where not given.
        classes: ``replace`` leaves a classifier of another number of classes as it is.
        image: the checkpoint is of an image network: 2D parts are filled by equality, 3D parts
            by the policy's inflation, and the classifier is left out where classes differ.

    Returns:
        What became of every tensor, on both sides.

    Raises:
        SpecError: if the file cannot be read, or a tensor does not fit.
    """
    imported = imported_into(network, _arrays(source), importer, classes=classes, image=image)
    write_state(module, imported)
    return imported.report


def imported_into(
    network: Network,
    public: Mapping[str, Array],
    importer: str | None = None,
    *,
    classes: Literal["match", "replace"] = "match",
    image: bool = False,
) -> Imported:
    """Return a checkpoint's tensors under a network's keys, and what became of each.

    Raises:
        SpecError: if a tensor does not fit.
    """
    layers = {**CLASS_LAYERS, **network.class_layers}
    if image:
        return fill_from_image(
            public,
            network.state,
            inflation(network),
            importer,
            class_layers=layers,
            moved=network.image_keys,
            shared=network.shared_image_keys,
        )
    return import_state_dict(public, network.state, importer, classes=classes, class_layers=layers)


def transplant_weights(
    network: Network,
    module: nn.Module,
    donor: Network,
    source: Source | nn.Module,
    *,
    keep: Keep = "none",
) -> Report:
    """Let a network that shares a backbone with ours start ours.

    Args:
        network: the compiled spec.
        module: what ``build`` made of it; its parameters are written in place.
        donor: the compiled spec of the other network: another policy, other frames or input.
        source: the other's weights under our names: a module, a file, or a state dict.
        keep: the first, or the last, input channels keep their own weights where there are more.

    Returns:
        What became of every tensor, on both sides; what does not fit keeps its initial values.

    Raises:
        SpecError: if the file cannot be read, their backbones differ, or nothing of the one
            belongs to the other.
    """
    state = source.state_dict() if isinstance(source, nn.Module) else source
    imported = transplanted_into(network, donor, _arrays(state), keep=keep)
    write_state(module, imported)
    return imported.report


def transplanted_into(
    network: Network,
    donor: Network,
    state: Mapping[str, Array],
    policy: str | None = None,
    *,
    keep: Keep = "none",
) -> Imported:
    """Return another network's weights under this one's keys; arguments are those of `_graft`.

    Raises:
        SpecError: if their backbones differ, or nothing of the one belongs to the other.
    """
    imported = transplant(state, network.state, _graft(network, donor, policy, keep=keep))
    check_backbones(network, donor)
    return imported


def _graft(
    network: Network, donor: Network, policy: str | None = None, *, keep: Keep = "none"
) -> Graft:
    """Return what is known of two networks, one of which starts the other.

    Args:
        network: the one that is started.
        donor: the one whose weights are given.
        policy: how 2D kernels are inflated, in place of the network's own words.
        keep: the first, or the last, input channels keep their own weights where there are more.
    """
    read = stems(network.facts)
    return Graft(
        policy_of=inflation(network) if policy is None else lambda _key: policy,
        there=donor.image_keys,
        here=network.image_keys,
        beside_there=donor.shared_image_keys,
        beside_here=network.shared_image_keys,
        along=_along(network),
        stems={key for key in network.state if key.rpartition(".")[0] in read},
        keep=keep,
        parts_there=parts(donor.facts),
        parts_here=parts(network.facts),
        class_layers={**CLASS_LAYERS, **network.class_layers},
    )


def _along(network: Network) -> dict[str, tuple[Along, ...]]:
    """Return, for every key that depends on the number of frames, the axes where they run."""
    return {
        f"{fact.path}.{param.name}": tuple(Along(a.axis, a.reads, a.inner) for a in param.frames)
        for fact in network.facts.operators()
        for param in fact.params
        if param.frames
    }


def write_state(module: nn.Module, imported: Imported) -> None:
    """Copy imported tensors into a module; keys that were filled keep their values.

    Raises:
        SpecError: if the module lacks one of them, or has it in another shape.
    """
    state = {key: torch.from_numpy(np.asarray(value)) for key, value in imported.state.items()}
    own = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    for key, value in state.items():
        if own.get(key) != tuple(value.shape):
            found = f"has it as {own[key]}" if key in own else "has no such tensor"
            message = f"the network has `{key}` as {tuple(value.shape)}, and the module {found}"
            help = "give the module that `stspec.build` makes of this very network"
            raise SpecError(Diagnostic("other-module", message, help=help))
    module.load_state_dict(state, strict=False)


def inflation(network: Network) -> Callable[[str], str]:
    """Return how each key's 2D weights are inflated: its rule's word, else the policy's."""
    spec, graph = network.spec, network.graph
    rules = rules_of(graph)
    words = {
        path: spec.inflation(pathway_at(graph, path), rules.get(path)) for path, _ in leaves(graph)
    }
    return lambda key: words.get(key.rpartition(".")[0], spec.policy.inflate)


def _arrays(source: Source) -> Mapping[str, Array]:
    """Return the tensors of a file or of a state dict.

    Raises:
        SpecError: if the file cannot be read, or something else than tensors by name is given.
    """
    if isinstance(source, str | Path):
        return read_checkpoint(source).state
    if not isinstance(source, Mapping):
        raise _no_weights(f"weights cannot be a Python value of type {type(source).__name__}")
    for key, value in source.items():
        if not isinstance(key, str):
            raise _no_weights(f"`{key}` of the weights is under a key of type {type(key).__name__}")
        if not isinstance(value, Tensor):
            found = type(value).__name__
            raise _no_weights(f"`{key}` of the weights is of type {found}, not a tensor")
    return {
        key: (value.float() if value.dtype is torch.bfloat16 else value).detach().cpu().numpy()
        for key, value in source.items()
    }


def _no_weights(message: str) -> SpecError:
    help = 'give a file, or a state dict, such as `checkpoint["state_dict"]`'
    return SpecError(Diagnostic("bad-checkpoint", message, help=help))
