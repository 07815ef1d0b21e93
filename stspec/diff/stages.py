"""A backbone at a glance: what each stage is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from stspec.diff.facets import Reading
from stspec.diff.words import kernel_text, kind_words, op_words
from stspec.graph import Graph, Node
from stspec.ops.base import Op
from stspec.ops.conv import Conv2d
from stspec.ops.pool import Pool2d, TemporalPool


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of both backbones, in words."""

    number: int
    a: str
    b: str

    def negate(self) -> Stage:
        """Return the row with sides swapped."""
        return replace(self, a=self.b, b=self.a)


def stages(a: Reading, b: Reading) -> tuple[Stage, ...]:
    """Return the stages of both backbones."""
    mine, theirs = _stages(a), _stages(b)
    numbers = sorted({*mine, *theirs})
    return tuple(Stage(n, mine.get(n, "none"), theirs.get(n, "none")) for n in numbers)


def _stages(reading: Reading) -> dict[int, str]:
    found: dict[int, list[str]] = {}
    for stage, words in _items(reading, reading.network.graph, ""):
        found.setdefault(stage, []).append(words)
    told = {}
    for stage, items in found.items():
        runs = ((len(list(same)), word) for word, same in groupby(items))
        told[stage] = ", ".join(f"{n} x {word}" if n > 1 else word for n, word in runs)
    return told


def _items(reading: Reading, graph: Graph, prefix: str) -> Iterator[tuple[int, str]]:
    for node in graph.nodes:
        own = reading.atlas[prefix + node.name].stage
        words = _words(reading, node, prefix + node.name)
        if own is not None and words:
            yield own, words
        elif isinstance(node.body, Graph) and words is None:
            yield from _items(reading, node.body, f"{prefix}{node.name}.")


def _words(reading: Reading, node: Node, path: str) -> str | None:
    """Return a node in words; "" where it is not worth one, None where its parts are told."""
    out = reading.network.facts[path].output.channels
    if isinstance(node.body, Op):
        op = reading.flat(reading.atlas[path])
        if isinstance(op, Conv2d):
            return f"{op_words(op)} to {out}"
        return op_words(op) if isinstance(op, Pool2d | TemporalPool) else ""
    if node.tags.block is None:
        return None
    if node.body.kind == "conv_unit":
        conv = next(n for n in node.body.nodes if isinstance(n.body, Conv2d))
        op = reading.flat(reading.atlas[f"{path}.{conv.name}"])
        return f"{kernel_text(op)} convolution to {out}"
    return f"{kind_words(node.body.kind)} to {out}"
