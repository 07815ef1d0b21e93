"""Models of the zoo made small, and what each of them must stand: it is as it was predicted."""

from __future__ import annotations

import io
import pickle
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stspec.module import build_module
from stspec.network import Network, load


def clip_of(network: Network, batch: int = 2, **kwargs: Any) -> Tensor:
    """Return a clip of the network's input."""
    generator = torch.Generator().manual_seed(0)
    device = kwargs.get("device")
    sizes = (batch, *network.facts.input.sizes)
    if device is not None:
        return torch.empty(sizes, **kwargs)
    return torch.randn(sizes, generator=generator)


def as_predicted(network: Network) -> nn.Module:
    """Build a network; keys, shapes, parameters and what it gives are those that were predicted."""
    module = build_module(network)
    state = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    assert state == dict(network.facts.state())
    assert sum(p.numel() for p in module.parameters()) == network.facts.params
    with torch.no_grad():
        out = module.eval()(clip_of(network))
    assert tuple(out.shape[1:]) == network.facts.output.sizes
    assert torch.isfinite(out).all()
    return module


def trains(network: Network, module: nn.Module) -> None:
    """Take a step: every parameter gets a gradient, and the loss stays finite."""
    module.train()
    out = module(clip_of(network))
    loss = out.square().mean()
    loss.backward()
    assert torch.isfinite(loss)
    assert [n for n, p in module.named_parameters() if p.grad is None] == []


def costs_as_predicted(network: Network) -> None:
    """The canonical operators, as they run on meta tensors, take the MACs that were predicted."""
    source: dict[str, Any] = {"__name__": "canonical"}
    emitted = network.emit(canonical=True)
    exec(compile(emitted.text, "canonical", "exec"), source)
    with torch.device("meta"):
        module = source[emitted.class_name]().eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module(clip_of(network, 1, device="meta"))
    assert counter.get_total_flops() == 2 * sum(network.facts.macs().values())


def copies(network: Network, module: nn.Module) -> None:
    """A pickled copy gives the same."""
    x = clip_of(network)
    other = pickle.load(io.BytesIO(pickle.dumps(module.eval())))
    with torch.no_grad():
        torch.testing.assert_close(other(x), module(x))


def small(spec: str, *overrides: Any, frames: int = 4, size: Any = 32, classes: int = 5) -> Network:
    """Return a model of few, small frames."""
    own = [("clip.frames", frames), ("clip.size", size), ("classes", classes)]
    return load(spec, [*own, *overrides])
