"""A graph as text: every node with its inputs, or the tree of owners with shapes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stspec.graph import Graph, Node
from stspec.ops.base import Shape
from stspec.passes.facts import Facts


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of an outline: what stands left, its settings, what comes out, and by which rule."""

    text: str
    shape: str = ""
    told: str = ""
    mark: str = ""


def describe_graph(facts: Facts, width: int = 80) -> str:
    """Return a graph as text: one node a line, with its inputs, settings and result CxTxHxW."""
    names = ", ".join(f"{name}: {facts.input}" for name in facts.graph.inputs)
    entries = list(_nodes(facts.graph, facts, "", "  "))
    return "\n".join([f"{facts.graph.kind}({names})", *_aligned(entries, width)])


def describe_owners(facts: Facts, width: int = 80) -> str:
    """Return the owners of a graph as a tree with results CxTxHxW, equal neighbours told once."""
    top = Entry(facts.graph.kind, _sizes(facts.output))
    return "\n".join(_aligned([top, *_owned(facts.graph, facts, "", "")], width))


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
        shape = _sizes(facts[prefix + node.name].output)
        text = f"{indent}{node.name} = {node.body.kind}({', '.join(node.inputs)})"
        if isinstance(node.body, Graph):
            yield Entry(text, shape, "", _mark(node))
            yield from _nodes(node.body, facts, f"{prefix}{node.name}.", indent + "  ")
        else:
            yield Entry(text, shape, settings(node), _mark(node))
    yield Entry(f"{indent}return {graph.output}")


def _sizes(shape: Shape) -> str:
    return "x".join(map(str, shape.sizes))


def _mark(node: Node) -> str:
    return f"<- {node.tags.rule}" if node.tags.rule else ""


def _owned(graph: Graph, facts: Facts, prefix: str, lead: str) -> Iterator[Entry]:
    runs = list(_runs(graph.nodes))
    for index, run in enumerate(runs):
        last = index == len(runs) - 1
        node = run[-1]
        name = node.name if len(run) == 1 else f"{run[0].name}-{run[-1].name}"
        kind = node.body.kind
        times = f" x{len(run)}" if len(run) > 1 else ""
        shape = _sizes(facts[prefix + node.name].output)
        text = f"{lead}{'└─ ' if last else '├─ '}{name}  {kind}{times}"
        yield Entry(text, shape, "", _mark(node))
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


def _aligned(entries: Sequence[Entry], width: int) -> list[str]:
    """Return entries with shapes and rules in columns; settings that do not fit stand below."""
    shapes = max(len(entry.shape) for entry in entries)
    marks = max(len(entry.mark) for entry in entries)
    room = max(32, width - shapes - marks - 4)
    column = min(room, max(len(f"{e.text}  {e.told}") if e.told else len(e.text) for e in entries))
    lines = []
    for entry in entries:
        whole = f"{entry.text}  {entry.told}" if entry.told else entry.text
        fits = len(whole) <= column
        text = whole if fits else entry.text
        lines.append(f"{text:<{column}}  {entry.shape:<{shapes}}  {entry.mark}".rstrip())
        if not fits and entry.told:
            indent = " " * (len(entry.text) - len(entry.text.lstrip()) + 4)
            lines += [indent + line for line in textwrap.wrap(entry.told, width - len(indent))]
    return lines
