"""What a figure shows: boxes of stages, and the inside of the block that the policy changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from stspec.analysis.cost import stage_names
from stspec.graph import Graph, Node
from stspec.graph.model import leaves, pathway_at, walk
from stspec.ops.activation import Activation
from stspec.ops.base import Op, Shape
from stspec.ops.conv import Conv2d
from stspec.ops.norm import BatchNorm
from stspec.ops.pool import Pool2d, TemporalPool
from stspec.passes.facts import Facts

if TYPE_CHECKING:
    from stspec.network import Network

Emphasis = Literal["plain", "changed", "inserted"]
"""Whether the policy left it alone, converted it, or inserted it."""

INPUT = ""
"""The name under which an inside's edges speak of what comes in."""

TIMES = " \N{MULTIPLICATION SIGN} "

_UNIT = 3
"""Convolution, norm and activation: a block of no more has no inside to show."""

_FLAT = ("sequential", "conv_unit")


@dataclass(frozen=True, slots=True)
class Part:
    """A line of a stage, or a box of a block's inside."""

    title: str
    note: str = ""
    emphasis: Emphasis = "plain"


@dataclass(frozen=True, slots=True)
class Stage:
    """A box of the overview: what is in it, and what comes out."""

    name: str
    parts: tuple[Part, ...]
    output: str


@dataclass(frozen=True, slots=True)
class Inside:
    """A block taken apart: boxes by name, and edges from one to another (or from `INPUT`)."""

    title: str
    path: str
    stage: str
    parts: dict[str, Part]
    edges: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """Everything that a figure shows."""

    title: str
    about: str
    input: str
    stages: tuple[Stage, ...]
    inside: Inside | None


def figure(network: Network) -> Figure:
    """Return the figure of a network."""
    spec, facts = network.spec, network.facts
    stages = dict(stage_names(network.graph))
    return Figure(
        spec.model.title or spec.name,
        spec.model.about or spec.name,
        axes(facts.input),
        tuple(_stages(facts, stages)),
        _inside(facts, stages),
    )


def axes(shape: Shape) -> str:
    """Return a shape as figures print it: T x H x W x C."""
    sizes = (shape.frames, shape.height, shape.width, shape.channels)
    return TIMES.join(str(size) for size in sizes if size is not None)


def _stages(facts: Facts, stages: dict[str, str]) -> Iterator[Stage]:
    order = dict.fromkeys(stages[path] for path, _ in _chain(facts.graph, ""))
    for name in order:
        chain = [(path, node) for path, node in _chain(facts.graph, "") if stages[path] == name]
        stacks: dict[str | None, list[Node]] = {None: []}
        for path, node in chain:
            stacks.setdefault(pathway_at(facts.graph, path), []).append(node)
        parts = tuple(
            part for stack, nodes in stacks.items() for part in _stack_parts(stack, nodes)
        )
        title = name if name == "head" else f"stage {name}"
        ends = [path for path, _ in chain if pathway_at(facts.graph, path) is None]
        yield Stage(title, parts, axes(facts[(ends or [chain[-1][0]])[-1]].output))


def _stack_parts(stack: str | None, nodes: Sequence[Node]) -> Iterator[Part]:
    """Yield the lines of one pathway in a stage; the first says which, if it is not the trunk."""
    parts = list(_runs([part for node in nodes for part in _stage_part(node)]))
    if stack is not None and parts:
        parts[0] = replace(parts[0], title=f"{stack}: {parts[0].title}")
    yield from parts


def _chain(graph: Graph, prefix: str) -> Iterator[tuple[str, Node]]:
    """Yield the nodes of a model with the blocks of its sequences in their place."""
    for node in graph.nodes:
        path = prefix + node.name
        if isinstance(node.body, Graph) and node.body.kind == "sequential":
            yield from _chain(node.body, path + ".")
        else:
            yield path, node


def _stage_part(node: Node) -> Iterator[Part]:
    """Yield the line of a node, none for norms and activations."""
    if isinstance(node.body, BatchNorm | Activation):
        return
    if isinstance(node.body, Graph) and node.body.kind == "conv_unit":
        yield part(next(n for n in node.body.nodes if isinstance(n.body, Conv2d)))
        yield from (part(n) for n in node.body.nodes if emphasis(n) == "inserted")
    elif isinstance(node.body, Graph):
        inner = [emphasis(n) for _, n in walk(node.body)]
        yield Part(_kind(node.body), "", strongest([emphasis(node), *inner]))
    else:
        yield part(node)


def _runs(parts: Sequence[Part]) -> Iterator[Part]:
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
        return Part(_kind(body), "", emphasis(node))
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


def _kind(graph: Graph) -> str:
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


def _inside(facts: Facts, stages: dict[str, str]) -> Inside | None:
    """Return the block that shows most of the policy: of those, the commonest one's first."""
    blocks = [
        (path, node.body)
        for path, node in _chain(facts.graph, "")
        if isinstance(node.body, Graph) and node.tags.block is not None
    ]
    blocks = [(path, body) for path, body in blocks if len(list(leaves(body))) > _UNIT]
    if not blocks:
        return None
    rules = {
        path: len({node.tags.rule for _, node in walk(body) if node.tags.rule})
        for path, body in blocks
    }
    kinds = Counter((rules[path], body.kind) for path, body in blocks)
    path, body = max(blocks, key=lambda b: (rules[b[0]], kinds[rules[b[0]], b[1].kind]))
    builder = _Builder()
    outputs = builder.graph(body, "", dict.fromkeys(body.inputs, INPUT))
    assert outputs in builder.parts
    return Inside(_kind(body), path, stages[path], builder.parts, tuple(builder.edges))


@dataclass
class _Builder:
    """Takes a block apart: sequences are flattened, norms and activations join what they follow."""

    parts: dict[str, Part] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def graph(self, graph: Graph, prefix: str, known: dict[str, str]) -> str:
        """Add a graph's nodes and return the name of the box that gives its output."""
        known = dict(known)
        for node in graph.nodes:
            sources = [known[name] for name in node.inputs]
            known[node.name] = self.node(graph, node, prefix, sources)
        return known[graph.output]

    def node(self, graph: Graph, node: Node, prefix: str, sources: list[str]) -> str:
        """Add a node and return the name of its box."""
        name = prefix + node.name
        if isinstance(node.body, Graph) and node.body.kind in _FLAT:
            inputs = dict(zip(node.body.inputs, sources, strict=True))
            return self.graph(node.body, name + ".", inputs)
        if isinstance(node.body, Op) and self._joins(graph, node, sources):
            before = self.parts[sources[0]]
            word = "BN" if isinstance(node.body, BatchNorm) else _activation(node.body)
            note = f"{before.note}, {word}" if before.note else word
            self.parts[sources[0]] = Part(before.title, note, before.emphasis)
            return sources[0]
        self.parts[name] = part(node)
        self.edges += [(source, name) for source in dict.fromkeys(sources)]
        return name

    def _joins(self, graph: Graph, node: Node, sources: list[str]) -> bool:
        if not isinstance(node.body, BatchNorm | Activation) or sources[0] == INPUT:
            return False
        return len(graph.consumers(node.inputs[0])) == 1


def _activation(op: Op) -> str:
    return {"relu": "ReLU", "relu6": "ReLU6", "swish": "Swish"}.get(op.kind, op.kind)
