"""What a figure says of single nodes: a title, its settings, and what the policy did to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from stspec.graph import Graph, Node
from stspec.graph.model import walk
from stspec.ops.activation import Activation
from stspec.ops.base import Shape
from stspec.ops.conv import Conv2d
from stspec.ops.norm import BatchNorm
from stspec.ops.pool import Pool2d, TemporalPool

Emphasis = Literal["plain", "changed", "inserted"]
"""Whether the policy left it alone, converted it, or inserted it."""

TIMES = " \N{MULTIPLICATION SIGN} "


@dataclass(frozen=True, slots=True)
class Part:
    """A line of a stage, or a box of a block's inside."""

    title: str
    note: str = ""
    emphasis: Emphasis = "plain"


def axes(shape: Shape) -> str:
    """Return a shape as figures print it: T x H x W x C."""
    sizes = (shape.frames, shape.height, shape.width, shape.channels)
    return TIMES.join(str(size) for size in sizes if size is not None)


def chain(graph: Graph, prefix: str) -> Iterator[tuple[str, Node]]:
    """Yield the nodes of a model with the blocks of its sequences in their place."""
    for node in graph.nodes:
        path = prefix + node.name
        if isinstance(node.body, Graph) and node.body.kind == "sequential":
            yield from chain(node.body, path + ".")
        else:
            yield path, node


def stage_part(node: Node) -> Iterator[Part]:
    """Yield the line of a node, none for norms and activations."""
    if isinstance(node.body, BatchNorm | Activation):
        return
    if isinstance(node.body, Graph) and node.body.kind == "conv_unit":
        yield part(next(n for n in node.body.nodes if isinstance(n.body, Conv2d)))
        yield from (part(n) for n in node.body.nodes if emphasis(n) == "inserted")
    elif isinstance(node.body, Graph):
        inner = [emphasis(n) for _, n in walk(node.body)]
        yield Part(kind_of(node.body), "", strongest([emphasis(node), *inner]))
    else:
        yield part(node)


def runs(parts: Sequence[Part]) -> Iterator[Part]:
    """Yield the parts with equal neighbours counted."""
    counts: list[tuple[Part, int]] = []
    for each in parts:
        if counts and counts[-1][0] == each:
            counts[-1] = (each, counts[-1][1] + 1)
        else:
            counts.append((each, 1))
    for each, count in counts:
        times = f"{TIMES}{count}" if count > 1 else ""
        yield Part(each.title + times, each.note, each.emphasis)


def part(node: Node) -> Part:
    """Return the box of a node: what it is, and its settings."""
    body = node.body
    if isinstance(body, Graph):
        return Part(kind_of(body), "", emphasis(node))
    title, settings = body.kind.replace("_", " "), dict(body.settings())
    if isinstance(body, Conv2d):
        size = body.describe()
        depth = "depth-wise " if body.groups == "depthwise" else ""
        title = f"{depth}conv {size}" + (f", {body.width}" if body.width else "")
        return Part(title, _stride(body.stride, body.time.stride), emphasis(node))
    if isinstance(body, Pool2d):
        time = body.time.kernel
        size = f"{body.kernel}x{body.kernel}"
        size = f"{time}x{size}" if time > 1 else size
        kind = "max" if "max" in body.kind else "average"
        return Part(f"{kind} pool {size}", _stride(body.stride, body.time.stride), emphasis(node))
    if isinstance(body, TemporalPool):
        return Part(f"{title} {body.kernel}", _stride(1, body.stride), emphasis(node))
    if len(settings) == 1:
        title += f" {next(iter(settings.values()))}"
        settings = {}
    told = ", ".join(f"{key} {value}" for key, value in settings.items())
    return Part(title, told, emphasis(node))


def _stride(space: int, time: int) -> str:
    told = [f"/{space}"] if space > 1 else []
    return ", ".join([*told, *([f"time /{time}"] if time > 1 else [])])


def kind_of(graph: Graph) -> str:
    """Return what a block is called."""
    return graph.kind.removeprefix("downsample_").removeprefix("padded_").replace("_", " ")


def emphasis(node: Node) -> Emphasis:
    """Return what the policy did to a node."""
    rule = node.tags.rule
    if rule is None:
        return "plain"
    added = rule.startswith("temporal.") or isinstance(node.body, TemporalPool)
    return "inserted" if added else "changed"


def strongest(levels: Iterable[Emphasis]) -> Emphasis:
    """Return what weighs most: inserted, then changed."""
    found = set(levels)
    return "inserted" if "inserted" in found else "changed" if "changed" in found else "plain"
