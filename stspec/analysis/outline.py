"""A graph as text: every node with its inputs, or the tree of owners with shapes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stspec.graph import Graph, Node
from stspec.passes.facts import Facts


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of an outline: what stands left, and the shape that comes out."""

    text: str
    shape: str


def describe_graph(facts: Facts) -> str:
    """Return a graph as text: one node a line, with its inputs, settings and result."""
    names = ", ".join(f"{name}: {facts.input}" for name in facts.graph.inputs)
    entries = list(_nodes(facts.graph, facts, "", "  "))
    return "\n".join([f"{facts.graph.kind}({names})", *_aligned(entries)])


def describe_owners(facts: Facts) -> str:
    """Return the owners of a graph as a tree, equal neighbours told once."""
    entries = [Entry(f"{facts.graph.kind}", str(facts.output)), *_owned(facts.graph, facts, "", "")]
    return "\n".join(_aligned(entries))


def settings(node: Node) -> str:
    """Return what a node's operator has been told, such as kernel 3, stride 2."""
    assert not isinstance(node.body, Graph)
    return ", ".join(f"{name} {_shown(value)}" for name, value in node.body.settings().items())


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _nodes(graph: Graph, facts: Facts, prefix: str, indent: str) -> Iterator[Entry]:
    for node in graph.nodes:
        fact = facts[prefix + node.name]
        inputs = ", ".join(node.inputs)
        if isinstance(node.body, Graph):
            yield Entry(
                f"{indent}{node.name} = {node.body.kind}({inputs}){_mark(node)}", str(fact.output)
            )
            yield from _nodes(node.body, facts, f"{prefix}{node.name}.", indent + "  ")
            continue
        told = settings(node)
        told = f"  {told}" if told else ""
        yield Entry(
            f"{indent}{node.name} = {node.body.kind}({inputs}){told}{_mark(node)}", str(fact.output)
        )
    yield Entry(f"{indent}return {graph.output}", "")


def _mark(node: Node) -> str:
    return f"  <- {node.tags.rule}" if node.tags.rule else ""


def _owned(graph: Graph, facts: Facts, prefix: str, lead: str) -> Iterator[Entry]:
    runs = list(_runs(graph.nodes))
    for index, run in enumerate(runs):
        last = index == len(runs) - 1
        node = run[-1]
        name = node.name if len(run) == 1 else f"{run[0].name}-{run[-1].name}"
        kind = node.body.kind
        times = f" x{len(run)}" if len(run) > 1 else ""
        shape = str(facts[prefix + node.name].output)
        yield Entry(f"{lead}{'└─ ' if last else '├─ '}{name}  {kind}{times}{_mark(node)}", shape)
        if isinstance(node.body, Graph):
            inner = lead + ("   " if last else "│  ")
            yield from _owned(node.body, facts, f"{prefix}{node.name}.", inner)


def _runs(nodes: Sequence[Node]) -> Iterator[list[Node]]:
    """Yield neighbours that are equal but for their names and places."""
    run: list[Node] = []
    for node in nodes:
        if run and not _alike(run[-1], node):
            yield run
            run = []
        run.append(node)
    if run:
        yield run


def _alike(a: Node, b: Node) -> bool:
    """Tell whether two nodes are alike: blocks of one chain with equal bodies."""
    return isinstance(a.body, Graph) and a.body == b.body and b.inputs == (a.name,)


def _aligned(entries: Sequence[Entry]) -> list[str]:
    column = max(
        (len(entry.text) for entry in entries if entry.shape and len(entry.text) < 60), default=0
    )
    return [f"{entry.text:<{column}}  {entry.shape}".rstrip() for entry in entries]
