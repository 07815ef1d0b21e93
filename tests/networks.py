"""What the compiler's tests share: the shipped models, small, and modules made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from stspec.compose import index, names
from stspec.module import build_module
from stspec.network import Network, load
from tests.noise import quick_noise

FILES = tuple(names("model"))
"""Every model that is a file of its own, families included."""
EVERY = tuple(index())
"""Every model that can be addressed by name, variants included."""
FAMILIES = tuple(name for name in FILES if "_" not in name)
SIZE = 32
"""Side of the clips: the smallest power of two that all backbones take."""

CONV = {"op": "conv2d", "width": 8, "kernel": 3}


@cache
def whole(name: str) -> Network:
    """Return a shipped model as it is, compiled once."""
    return load(name)


@cache
def small(name: str, *overrides: str) -> Network:
    """Return a shipped model for small clips and few classes, compiled once."""
    return load(name, [*sized(name, str(SIZE)), "classes=7", *overrides])


LEAST = {"inceptionv3": 91, "inceptionv3_tsn": 91, "bninception": 64, "tdn": 64}
"""Sides that backbones and policies need whose convolutions are not padded, whose strided modules
join convolutions and pools, which agree on even sizes alone, or that pool their last maps."""
EVEN = ("bninception", "blresnet")
"""What the names of backbones begin with whose branches agree on even sizes alone."""


def sized(name: str, size: str) -> list[str]:
    """Return the override of the clip's size; a model of features has none."""
    given = whole(name)
    if not given.facts.input.is_trunk:
        return []
    if size.isdecimal():
        names = (given.spec.backbone.name, given.spec.policy.name)
        size = str(max(int(size), *(LEAST.get(name, 0) for name in names)))
    return [f"clip.size={size}"]


def odd(name: str) -> Network:
    """Return a shipped model for clips of odd sizes and frames; pathways agree on their own."""
    given = whole(name)
    frames, backbone = given.facts.input.frames or 1, given.spec.backbone.name
    size = "[93, 107]" if backbone in LEAST or given.spec.policy.name in LEAST else "[45, 67]"
    size = "[64, 96]" if backbone.startswith(EVEN) else size
    paired = given.spec.beside or backbone.startswith("blresnet")
    count = frames if paired else frames + 1 - frames % 2
    own = [f"clip.frames={count}", *sized(name, size)]
    return load(name, [*own, "classes=5"])


def model(layers: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    """Return a spec with a backbone of these layers, without policy unless one is given."""
    return {
        "stspec": 1,
        "backbone": {"layers": dict(layers)},
        "clip": {"frames": 4, "size": 32},
        "policy": {},
        "classes": 5,
        **keys,
    }


def on(backbone: str | Mapping[str, Any], policy: Any, **clip: Any) -> dict[str, Any]:
    """Return a spec of a shipped backbone and a policy."""
    return {
        "stspec": 1,
        "backbone": backbone,
        "clip": {"frames": 4, "size": SIZE, **clip},
        "policy": policy,
        "classes": 5,
    }


def meta_module(network: Network, *, canonical: bool = False) -> nn.Module:
    """Return the module without memory for its weights."""
    with torch.device("meta"), quick_noise():
        return build_module(network, canonical=canonical).eval()


def seeded(network: Network, seed: int = 0) -> nn.Module:
    """Return the module with weights that depend on nothing but a seed, ready to run."""
    with quick_noise(seed):
        module = build_module(network)
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(std=0.1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
        for parameter in module.parameters():
            if parameter.dim() == 1:  # scales and shifts: none may be zero and hide its branch
                parameter.data.uniform_(0.2, 0.6)
    return module.eval()


def clip(network: Network, batch: int = 2, **options: Any) -> Tensor:
    """Return random clips for a model."""
    generator = torch.Generator().manual_seed(1)
    shape = (batch, *network.facts.input.dims)
    return torch.randn(shape, generator=generator).to(**options)


def run(module: nn.Module, x: Tensor) -> Tensor:
    """Return what a module makes of clips, without gradients."""
    with torch.no_grad(), _quick_norms() if x.is_meta else nullcontext():
        out = module(x)
    assert isinstance(out, Tensor)
    return out


@contextmanager
def _quick_norms() -> Iterator[None]:
    """Have batch norms say what they give of tensors without memory: torch takes 5 ms each."""

    def batch_norm(x: Tensor, mean: Tensor, var: Tensor, *affine: object, **_: object) -> Tensor:
        tensors = [mean, var, *(t for t in affine if isinstance(t, Tensor))]
        assert all(t.shape == x.shape[1:2] for t in tensors)
        return torch.empty_like(x)

    with patch.object(nn.functional, "batch_norm", batch_norm):
        yield


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return key and shape of every entry of a module's state dict, in order."""
    return {key: tuple(value.shape) for key, value in module.state_dict().items()}
