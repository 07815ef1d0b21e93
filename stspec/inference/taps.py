"""Values inside a network, by the paths of its graph: `stspec show NAME --ir` lists them.

A node that is a module is watched by a forward hook. An operator that is a plain function, such
as an activation, is met where its value enters or leaves a module.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.graph import Graph
from stspec.graph.model import leaves, walk
from stspec.network import Network
from stspec.ops.base import Shape

INPUT = "input"
"""The tap of the clip itself."""

Pool = Literal["clip", "frames", "none"]
"""What is averaged: space and time, giving (C); space, giving (C, T); nothing."""


@dataclass(frozen=True, slots=True)
class Tap:
    """Where a value can be met: at a module's output, or as one of its inputs."""

    path: str
    shape: Shape
    """Its axes for the spec's clip, batch left out."""
    module: str
    """The module's name; empty for the whole network."""
    argument: int | None = None
    """Which input of the module it is; None for the output."""


def find_tap(network: Network, module: nn.Module, path: str | None = None) -> Tap:
    """Return where a value can be met.

    Args:
        network: the compiled spec.
        module: what was built of it.
        path: a node's path; None for what enters the classifier, features in the usual sense.

    Raises:
        SpecError: if there is no such node, or its value never enters or leaves a module.
    """
    taps = all_taps(network, module)
    name = path if path is not None else _before_classifier(network)
    if name in taps:
        return taps[name]
    paths = [fact.path for fact in network.facts]
    if name in paths:
        message = f"`{name}` exists between two lines of the model's code and cannot be tapped"
        owner = name.rpartition(".")[0]
        around = [each for each in taps if each == owner or each.startswith(f"{owner}.")]
        help = did_you_mean(name, around or taps)
        raise SpecError(Diagnostic("no-tap", message, help=help))
    message = f"{network.name} has no node `{name}`"
    near = did_you_mean(name, taps)
    help = f"{near}{' ' if near.endswith('?') else '; '}`stspec show SPEC --ir` lists all"
    raise SpecError(Diagnostic("unknown-tap", message, help=help))


def all_taps(network: Network, module: nn.Module) -> dict[str, Tap]:
    """Return every value that can be met, by path, in the order of execution."""
    modules = {name for name, _ in module.named_modules()}
    found = {INPUT: Tap(INPUT, network.facts.input, "", 0)}
    leaving = dict(_leaving(network.graph, ""))
    entering = dict(_entering(network.graph, "", modules))
    for path, _node in walk(network.graph):
        shape = network.facts[path].output
        if path in modules:
            found[path] = Tap(path, shape, path)
        elif path in leaving and leaving[path] in modules:
            found[path] = Tap(path, shape, leaving[path])
        elif path in entering:
            found[path] = Tap(path, shape, *entering[path])
    return found


def _before_classifier(network: Network) -> str:
    """Return the path of what enters the classifier, before its dropout."""
    before: list[str] = [INPUT]
    for path, node in leaves(network.graph):
        if node.tags.slot == "classifier" or any(r == "classifier" for r, _ in node.tags.roles):
            return before[-1]
        # Dropout does nothing here; what stands in front of it has the better name.
        if node.body.kind != "dropout":
            before.append(path)
    return network.graph.output


def _leaving(graph: Graph, owner: str) -> Iterator[tuple[str, str]]:
    """Yield values that leave their scope, with the outermost module that they leave."""
    prefix = f"{owner}." if owner else ""
    inner = {n.name: n.body for n in graph.nodes if isinstance(n.body, Graph)}
    for name, body in inner.items():
        yield from _leaving(body, prefix + name)
    yield prefix + graph.output, owner


def _entering(
    graph: Graph, prefix: str, modules: set[str]
) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield values that enter a module of their scope, with the module and the argument."""
    for node in reversed(graph.nodes):
        if isinstance(node.body, Graph):
            yield from _entering(node.body, f"{prefix}{node.name}.", modules)
        if prefix + node.name in modules:
            for index, name in enumerate(node.inputs):
                if name not in graph.inputs:
                    yield prefix + name, (prefix + node.name, index)


@dataclass(slots=True)
class Watched:
    """What the taps saw in the last run: by path, a copy of the value, axes (N, C, T, H, W)."""

    values: dict[str, Tensor] = field(default_factory=dict)


@contextmanager
def watch(module: nn.Module, *taps: Tap, pool: Pool = "none") -> Iterator[Watched]:
    """Watch values while the module runs; each run replaces what was seen.

    Args:
        module: the built module, whose hooks are taken away at the end.
        taps: what `find_tap` found.
        pool: what is averaged, in float32.
    """
    seen = Watched()
    handles = []
    for tap in taps:
        target = module.get_submodule(tap.module)
        if tap.argument is None:
            handles.append(target.register_forward_hook(_output_hook(tap, seen, pool)))
        else:
            handles.append(target.register_forward_pre_hook(_input_hook(tap, seen, pool)))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _output_hook(tap: Tap, seen: Watched, pool: Pool) -> Any:
    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        seen.values[tap.path] = pooled(as_clip(output, tap.shape), pool)

    return hook


def _input_hook(tap: Tap, seen: Watched, pool: Pool) -> Any:
    def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.values[tap.path] = pooled(as_clip(inputs[tap.argument or 0], tap.shape), pool)

    return hook


def as_clip(value: Tensor, shape: Shape) -> Tensor:
    """Return a value of the running network with its axes in the order (N, C, T, H, W).

    Maps are (N*T, C, H, W) or (N, C, T, H, W) in emitted code, features (N*T, C) or (N, T, C),
    scores (N, C).
    """
    axes = len(shape.sizes)
    if axes == 1:
        return value
    if value.dim() == axes:
        value = value.unflatten(0, (-1, shape.frames or 1))
        return value.transpose(1, 2)
    return value if axes == 4 else value.transpose(1, 2)


def pooled(value: Tensor, pool: Pool) -> Tensor:
    """Return a copy of (N, C[, T[, H, W]]), averaged as asked.

    It is a copy because activations in place would change what was seen.
    """
    value = value.detach()
    if pool == "frames" and value.dim() == 5:
        return value.float().mean((-2, -1))
    if pool == "clip" and value.dim() > 2:
        return value.float().flatten(2).mean(2)
    return value.float().clone(memory_format=torch.contiguous_format)
