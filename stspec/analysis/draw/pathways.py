"""A model of several pathways: stages side by side, and what one pathway gives another.

Pathways that go on from stage to stage are columns. Others, such as the laterals of SlowFast
(Feichtenhofer et al., ICCV 2019), say what happens on the way from one column to another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from stspec.analysis.draw.parts import Part, axes, chain, runs, stage_part
from stspec.graph import Graph, Node
from stspec.passes.facts import Facts

Place = tuple[str, str]
"""A stage, and the name of a column."""

Source = tuple[Place | None, tuple[Part, ...]]
"""Where a value comes from, None for the clip, and what was done to it on the way."""

TRUNK = "trunk"
_HEAD = "head"


@dataclass(frozen=True, slots=True)
class Cell:
    """What one pathway does in one stage, and what comes out."""

    parts: tuple[Part, ...]
    output: str


@dataclass(frozen=True, slots=True)
class Link:
    """What a pathway gives another one, and what is done on the way."""

    source: Place
    target: Place
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Pathways:
    """Columns from the clip to the head; `starts` read the clip, `ends` are read by the head."""

    columns: tuple[str, ...]
    stages: tuple[str, ...]
    cells: dict[Place, Cell]
    links: tuple[Link, ...]
    head: Cell
    starts: tuple[str, ...]
    ends: tuple[str, ...]


def pathways(facts: Facts, stages: dict[str, str]) -> Pathways | None:
    """Return the pathways of a model, None where it has one alone."""
    found = _Reader(facts, stages)
    columns = tuple(found.columns)
    return found.read() if len(columns) > 1 else None


@dataclass
class _Reader:
    """Reads cells and links off a model's own nodes."""

    facts: Facts
    stages: dict[str, str]
    columns: dict[str, None] = field(init=False)
    given: dict[str, dict[Source, None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        on = {_pathway(node) for node in self._body() if self._goes_on(node)}
        names = dict.fromkeys(_pathway(node) for node in self._body())
        self.columns = {name: None for name in names if name == TRUNK or name in on}

    def _goes_on(self, node: Node) -> bool:
        """Tell whether a node takes its pathway from one stage into another."""
        first, *rest = (stage for stage, _ in self._items(node))
        graph = self.facts.graph
        before = [graph.node(name) for name in node.inputs if name not in graph.inputs]
        same = [other for other in before if _pathway(other) == _pathway(node)]
        return any(stage != first for stage in rest) or any(
            self._items(other)[-1][0] != first for other in same
        )

    def _body(self) -> Iterator[Node]:
        return (node for node in self.facts.graph.nodes if not node.tags.head)

    def _head(self) -> Cell:
        head = [node for node in self.facts.graph.nodes if node.tags.head]
        output = axes(self.facts[head[-1].name].output) if head else ""
        return Cell(tuple(runs([part for node in head for part in stage_part(node)])), output)

    def _items(self, node: Node) -> list[tuple[str, tuple[str, Node]]]:
        """Return a node, or those that a sequence holds, each with its stage and path."""
        return [(self._stage(node, path), (path, inner)) for path, inner in _held(node)]

    def _stage(self, node: Node, path: str) -> str:
        """Return the stage of what stands at a path of a node, within its own pathway.

        What has no weights is of the stage in front of it, which may be another pathway's: where
        it reads the clip, that of what reads it counts, and behind the last stage the last one.
        """
        same = [other for other in self._body() if _pathway(other) == _pathway(node)]
        if set(node.inputs) <= set(self.facts.graph.inputs):
            after = [other for other in same if node.name in other.inputs]
            if path == node.name and after:
                return self.stages[_held(after[0])[0][0]]
        stage = self.stages[path]
        if stage == _HEAD:
            told = [self.stages[path] for other in same for path, _ in _held(other)]
            return next((each for each in reversed(told) if each != _HEAD), _HEAD)
        return stage

    def read(self) -> Pathways:
        """Return the pathways."""
        parts: dict[Place, list[Part]] = {}
        last: dict[Place, str] = {}
        links: dict[tuple[Place, Place], dict[Part, None]] = {}
        starts: dict[str, None] = {}
        ends: dict[str, None] = {}
        self.given = {name: {(None, ()): None} for name in self.facts.graph.inputs}
        for node in self.facts.graph.nodes:
            sources = [list(self.given.get(name, ())) for name in node.inputs]
            if node.tags.head:
                ends |= {place[1]: None for found in sources for place, _ in found if place}
                continue
            items, name = self._items(node), _pathway(node)
            if name not in self.columns:
                done = tuple(part for _, (_, inner) in items for part in stage_part(inner))
                self.given[node.name] = {
                    (place, (*before, *done)): None for found in sources for place, before in found
                }
                continue
            here = (items[0][0], name)
            for found in sources:
                own = [(place, done) for place, done in found if place and place[1] == name]
                for place, done in found:
                    if place is None:
                        starts[name] = None
                    elif place[1] != name:
                        links.setdefault((place, here), {}).update(dict.fromkeys(done))
                if len(own) == len(found):
                    parts.setdefault(here, []).extend(part for _, done in own for part in done)
            for stage, (path, inner) in items:
                parts.setdefault((stage, name), []).extend(stage_part(inner))
                last[stage, name] = path
            self.given[node.name] = {((items[-1][0], name), ()): None}
        order = dict.fromkeys(stage for stage in self.stages.values() if stage != "head")
        cells = {
            place: Cell(tuple(runs(parts[place])), axes(self.facts[path].output))
            for place, path in last.items()
        }
        return Pathways(
            tuple(self.columns),
            tuple(stage for stage in order if any(stage == s for s, _ in cells)),
            cells,
            tuple(Link(a, b, tuple(done)) for (a, b), done in links.items()),
            self._head(),
            tuple(name for name in self.columns if name in starts),
            tuple(name for name in self.columns if name in ends),
        )


def _held(node: Node) -> list[tuple[str, Node]]:
    """Return a node, or those that a sequence holds, with their paths."""
    if isinstance(node.body, Graph) and node.body.kind == "sequential":
        return list(chain(node.body, node.name + "."))
    return [(node.name, node)]


def _pathway(node: Node) -> str:
    return node.tags.pathway or TRUNK
