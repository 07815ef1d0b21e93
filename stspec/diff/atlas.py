"""Where things stand in a network's graph, in the field's words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from stspec.diff.align import base_kind
from stspec.diff.edits import join
from stspec.graph import Graph, Node
from stspec.ops.base import Op
from stspec.ops.join import Add, Concat


@dataclass(frozen=True, slots=True)
class Site:
    """A node with its owners: the nearest block, the stage, and all inherited roles."""

    path: str
    node: Node
    owner: Graph
    stage: int | None
    block: str | None
    roles: frozenset[str]
    made: str | None
    """Path of the outermost node, itself or an owner, that a rule inserted or changed."""

    @property
    def scope(self) -> str:
        """Return the path of the node's owner."""
        return self.path.rpartition(".")[0]

    @property
    def label(self) -> str:
        """Return what the place is called: its slot, its name in its block, or its path."""
        slot = self.node.tags.slot
        if self.block is None or self.block == self.path:
            return self.path
        if self.scope == self.block and self.owner.kind == "conv_unit":
            return self.block if slot == "conv" else self.path
        return slot or self.path[len(self.block) + 1 :]


class Atlas:
    """All sites of a network's graph by path."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        root = Site("", Node("", graph, ()), graph, None, None, frozenset(), None)
        self.sites = {site.path: site for site in _sites(graph, root)}

    def __getitem__(self, path: str) -> Site:
        return self.sites[path]

    def leaves(self) -> Iterator[Site]:
        """Yield the sites of operators."""
        return (site for site in self.sites.values() if isinstance(site.node.body, Op))

    @cached_property
    def blocks(self) -> dict[str, str]:
        """Return the kind of every block by its path."""
        return {
            site.path: base_kind(site.node.body.kind)
            for site in self.sites.values()
            if site.block == site.path and isinstance(site.node.body, Graph)
        }

    def pathway(self, path: str) -> str | None:
        """Return the pathway that a node belongs to."""
        return self[path.partition(".")[0]].node.tags.pathway

    def noun(self, block: str) -> str:
        """Return what blocks of this kind are called."""
        body = self[block].node.body
        assert isinstance(body, Graph)
        if body.kind == "conv_unit":
            return "units"
        joins = any(isinstance(node.body, Concat) for node in body.nodes)
        return "modules" if joins else "blocks"

    def position(self, first: str, last: str) -> tuple[str, str]:
        """Return relation and landmark of a run of nodes: ("in front of", "conv1")."""
        site, end = self[first], self[last]
        readers = site.owner.consumers(end.node.name)
        reader = readers[0] if readers else None
        if reader is not None and ("residual_start", "input") in reader.tags.roles:
            if isinstance(reader.body, Graph):
                return "in front of", "the residual branch"
            return "in front of", f"{self._name(site, reader)} of the residual branch"
        source = next((n for n in site.owner.nodes if n.name in site.node.inputs), None)
        if source is None:
            if reader is None:
                return "in", site.scope or "the model"
            if isinstance(reader.body, Add):
                return "into", "the sum"
            return "in front of", self._name(site, reader)
        roles = {role for role, _ in source.tags.roles}
        if roles & {"module_output", "block_output"} and site.block is not None:
            return "behind", f"the {self.noun(site.block)[:-1]}"
        if reader is not None and isinstance(reader.body, Graph) and _pools(reader):
            return "in front of", self._name(site, reader)
        unit = next(
            (n for n in site.owner.nodes if n.tags.slot and n.tags.unit == source.tags.unit), source
        )
        return "behind", self._name(site, unit if source.tags.unit else source)

    def _name(self, site: Site, node: Node) -> str:
        return self[join(site.scope, node.name)].label


def _pools(node: Node) -> bool:
    return any(role.startswith("spatial_pool") for role, _ in node.tags.roles)


def _sites(graph: Graph, parent: Site) -> Iterator[Site]:
    stage = parent.stage
    for node in graph.nodes:
        tags, path = node.tags, join(parent.path, node.name)
        # What a rule put between two layers belongs to the stage of the first.
        stage = stage if tags.rule and tags.stage is None else tags.stage or parent.stage
        site = Site(
            path,
            node,
            graph,
            stage,
            path if tags.block is not None else parent.block,
            parent.roles | {role for role, _ in tags.roles},
            parent.made or (path if tags.rule else None),
        )
        yield site
        if isinstance(node.body, Graph):
            yield from _sites(node.body, site)


@dataclass(frozen=True, slots=True)
class Coverage:
    """In how many of a model's blocks something holds, and in which stages."""

    count: int
    total: int
    noun: str
    stages: tuple[int, ...]
    members: tuple[str, ...] = ()
    """The blocks, where they are not all."""

    def __str__(self) -> str:
        if not self.total:
            return ""
        noun = self.noun if self.total > 1 else self.noun[:-1]
        text = f"{self.count}/{self.total} {noun}"
        where = spans(self.stages)
        if self.count < self.total and (members := compress(self.members)) and len(members) <= 28:
            return f"{text}: {members}"
        if not where:
            return text
        return f"{text}, stage{'s' if len(self.stages) > 1 else ''} {where}"


def coverage(atlas: Atlas, sites: Sequence[Site]) -> Coverage:
    """Return how much of a model the sites' blocks cover; nothing where they are in none."""
    blocks = list(dict.fromkeys(site.block for site in sites if site.block is not None))
    stages = tuple(sorted({site.stage for site in sites if site.stage is not None}))
    kinds = {atlas.blocks[block] for block in blocks}
    stacks = {atlas.pathway(block) for block in blocks}
    every = atlas.blocks.items()
    total = sum(kind in kinds and atlas.pathway(path) in stacks for path, kind in every)
    nouns = {atlas.noun(block) for block in blocks}
    noun = nouns.pop() if len(nouns) == 1 else "blocks"
    return Coverage(len(blocks), total, noun, stages, tuple(blocks))


def spans(numbers: Iterable[int]) -> str:
    """Return numbers as ranges: 2-5, or 2, 4-5."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in found)


_MOST_LISTED = 5


def compress(paths: Iterable[str]) -> str:
    """Return paths as people would list them: layer3.6-22, layer4.0, .2."""
    numbered: dict[str, list[int]] = {}
    for path in paths:
        owner, _, name = path.rpartition(".")
        if name.isdecimal() and owner:
            numbered.setdefault(owner + ".", []).append(int(name))
        else:
            numbered.setdefault(path, [])
    listed = [
        owner + spans(numbers).replace(", ", ", .") if numbers else owner
        for owner, numbers in numbered.items()
    ]
    return ", ".join(listed) if len(listed) <= _MOST_LISTED else f"{listed[0]} to {listed[-1]}"
