"""What a figure shows: boxes of stages, and the inside of the block that the policy changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stspec.analysis.cost import stage_names
from stspec.analysis.draw.parts import Part, axes, chain, kind_of, part, runs, stage_part
from stspec.analysis.draw.pathways import Pathways, pathways
from stspec.graph import Graph, Node
from stspec.graph.model import leaves, pathway_at, walk
from stspec.ops.activation import Activation
from stspec.ops.base import Op
from stspec.ops.norm import BatchNorm
from stspec.passes.facts import Facts

if TYPE_CHECKING:
    from stspec.network import Network

INPUT = ""
"""The name under which an inside's edges speak of what comes in."""

_UNIT = 3
"""Convolution, norm and activation: a block of no more has no inside to show."""

_FLAT = ("sequential", "conv_unit")


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
    pathways: Pathways | None = None
    """The stages once more, side by side, where the model has more than one pathway."""


def figure(network: Network) -> Figure:
    """Return the figure of a network."""
    spec, facts = network.spec, network.facts
    stages = dict(stage_names(network.graph))
    return Figure(
        " ".join((spec.model.title or spec.name).split()),
        " ".join((spec.model.about or spec.name).split()),
        axes(facts.input),
        tuple(_stages(facts, stages)),
        _inside(facts, stages),
        pathways(facts, stages),
    )


def _stages(facts: Facts, stages: dict[str, str]) -> Iterator[Stage]:
    order = dict.fromkeys(stages[path] for path, _ in chain(facts.graph, ""))
    for name in order:
        found = [(path, node) for path, node in chain(facts.graph, "") if stages[path] == name]
        stacks: dict[str | None, list[Node]] = {None: []}
        for path, node in found:
            stacks.setdefault(pathway_at(facts.graph, path), []).append(node)
        parts = tuple(
            part for stack, nodes in stacks.items() for part in _stack_parts(stack, nodes)
        )
        title = name if name == "head" else f"stage {name}"
        ends = [path for path, _ in found if pathway_at(facts.graph, path) is None]
        yield Stage(title, parts, axes(facts[(ends or [found[-1][0]])[-1]].output))


def _stack_parts(stack: str | None, nodes: Sequence[Node]) -> Iterator[Part]:
    """Yield the lines of one pathway in a stage; the first says which, if it is not the trunk."""
    parts = list(runs([part for node in nodes for part in stage_part(node)]))
    if stack is not None and parts:
        parts[0] = replace(parts[0], title=f"{stack}: {parts[0].title}")
    yield from parts


def _inside(facts: Facts, stages: dict[str, str]) -> Inside | None:
    """Return the block that shows most of the policy: of those, the commonest one's first."""
    blocks = [
        (path, node.body)
        for path, node in chain(facts.graph, "")
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
    return Inside(kind_of(body), path, stages[path], builder.parts, tuple(builder.edges))


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
