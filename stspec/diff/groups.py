"""Edits told once: what happens alike in many places becomes one group with its count."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal, TypeVar

from stspec.diff.align import base_kind
from stspec.diff.atlas import Atlas, Coverage, Site, compress, coverage
from stspec.diff.edits import (
    Change,
    Edit,
    Insert,
    Place,
    Ports,
    Recast,
    Remove,
    Rename,
    Rewire,
    join,
    natural,
    place_of,
)
from stspec.diff.words import Aspect, block_words, changed, kind_words, listing, op_words
from stspec.graph import Graph, Node
from stspec.ops.base import Op

Sign = Literal["-", "~", "+"]
_OPPOSITE: dict[Sign, Sign] = {"+": "-", "-": "+", "~": "~"}
_MOST_VALUES = 4
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Group:
    """One kind of edit and everywhere that it happens.

    ``before`` and ``after`` are words for the two sides; one is empty for what is inserted or
    removed, whose place ``relation`` and ``landmarks`` name ("behind", ("conv2",)).
    """

    sign: Sign
    labels: tuple[Place, ...]
    aspects: tuple[Aspect, ...]
    before: str
    after: str
    relation: str
    landmarks: tuple[str, ...]
    coverage: Coverage
    sites: tuple[Place, ...]

    @property
    def subject(self) -> str:
        """Return what the edit is made to."""
        old = compress(label.a for label in self.labels if label.a)
        new = compress(label.b for label in self.labels if label.b)
        return new or old if old == new or not (old and new) else f"{old} → {new}"

    @property
    def where(self) -> str:
        """Return in how many blocks it happens; nothing where the subject says it."""
        told = {name for label in self.labels for name in (label.a, label.b)}
        named = all(
            "stem" in told or any(name.startswith(member) for name in told)
            for member in self.coverage.members
        )
        partly = self.coverage.count < self.coverage.total
        return "" if named and partly else str(self.coverage)

    @property
    def text(self) -> str:
        """Return the edit in words."""
        if self.sign == "~":
            if self.before == self.after:
                return self.before
            return f"{self.before} becomes {self.after}"
        where = f" {self.relation} {compress(self.landmarks)}" if self.landmarks else ""
        return (self.after or self.before) + where

    def negate(self) -> Group:
        """Return the group with sides swapped."""
        return replace(
            self,
            sign=_OPPOSITE[self.sign],
            labels=tuple(label.negate() for label in self.labels),
            aspects=tuple(aspect.negate() for aspect in self.aspects),
            before=self.after,
            after=self.before,
            sites=tuple(sorted((s.negate() for s in self.sites), key=_natural)),
        )


def _natural(place: Place) -> tuple[object, object]:
    # The side that exists decides, whichever it is, so that swapping keeps the order.
    return natural(max(place.a, place.b)), natural(min(place.a, place.b))


@dataclass(frozen=True, slots=True)
class _Told:
    """One edit, or a run of them, in words, at one place."""

    sign: Sign
    label: Place
    aspects: tuple[Aspect, ...]
    before: str
    after: str
    relation: str
    landmark: str
    site: Site
    place: Place

    @property
    def within(self) -> bool:
        """Tell whether it happens inside of a block."""
        return self.site.block is not None and self.site.block != self.site.path

    @property
    def key(self) -> tuple[object, ...]:
        """Return what must agree for two to be one group."""
        kinds = tuple(aspect.key for aspect in self.aspects)
        words = () if self.aspects else (self.before, self.after)
        return (self.sign, kinds, words, self.relation, self.within)


def group(edits: Sequence[Edit], a: Atlas, b: Atlas) -> tuple[Group, ...]:
    """Return the groups of edits, in the order in which they come along the networks."""
    told = [*_changes(edits, a, b), *_kinds(edits, a, b), *_wires(edits, a, b)]
    swaps = _swaps(edits, a, b)
    told += [_swap(old, new, a, b) for old, new in swaps]
    rest = [e for e in edits if all(e not in pair for pair in swaps)] if swaps else edits
    come = [e for e in rest if isinstance(e, Insert)]
    gone = [e for e in rest if isinstance(e, Remove)]
    moved = {place_of(e).b for e in come} & {place_of(e).a for e in gone}
    told += _runs(come, b, "+", moved)
    told += _runs(gone, a, "-", moved)
    by_label: dict[object, list[_Told]] = {}
    for item in told:
        # A unit is a block of one convolution: those of several units are alike.
        unit = item.site.owner.kind == "conv_unit" and item.site.scope == item.site.block
        inner = (item.label, item.landmark) if item.within and not unit else ()
        by_label.setdefault((item.key, inner), []).append(item)
    by_blocks: dict[object, list[_Told]] = {}
    for items in by_label.values():
        blocks = frozenset(item.site.block for item in items if item.within)
        by_blocks.setdefault((items[0].key, blocks), []).extend(items)
    groups = [_group(items, a, b) for items in by_blocks.values()]
    return tuple(sorted(groups, key=lambda g: _order(g, a, b)))


def _order(told: Group, a: Atlas, b: Atlas) -> tuple[object, ...]:
    stages = told.coverage.stages or (99,)
    return (stages[0], told.coverage.total > 0, _natural(told.sites[0]), told.text)


def _group(items: list[_Told], a: Atlas, b: Atlas) -> Group:
    items = sorted(items, key=lambda item: _natural(item.place))
    first = items[0]
    aspects = _merged([item.aspects for item in items])
    before, after = (first.before, first.after) if not aspects else _sides(aspects)
    return Group(
        first.sign,
        _unique(item.label for item in items),
        aspects,
        before,
        after,
        first.relation,
        _unique(item.landmark for item in items if item.landmark),
        _coverage(first.sign, items, a, b),
        tuple(item.place for item in items),
    )


def _coverage(sign: Sign, items: list[_Told], a: Atlas, b: Atlas) -> Coverage:
    if sign != "~":
        atlas = b if sign == "+" else a
        return coverage(atlas, [item.site for item in items])
    old = coverage(a, [a[item.place.a] for item in items if item.place.a])
    new = coverage(b, [b[item.place.b] for item in items if item.place.b])
    stages = tuple(sorted({*old.stages, *new.stages}))
    noun = old.noun if old.noun == new.noun else "blocks"
    members = tuple(sorted({*old.members} & {*new.members}, key=natural))
    count, total = min(old.count, new.count), min(old.total, new.total)
    return Coverage(count, total, noun, stages, members)


def _unique(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


def _merged(found: Sequence[tuple[Aspect, ...]]) -> tuple[Aspect, ...]:
    """Return the aspects of a group; widths that differ by one ratio are listed."""
    return tuple(
        Aspect(
            column[0].name,
            _listed(aspect.before for aspect in column),
            _listed(aspect.after for aspect in column),
            column[0].ratio,
        )
        for column in zip(*found, strict=True)
    )


def _listed(values: Iterable[str]) -> str:
    every = _unique(values)
    return ", ".join(every) if len(every) <= _MOST_VALUES else f"{every[0]} to {every[-1]}"


def _sides(aspects: Sequence[Aspect]) -> tuple[str, str]:
    widths = ["width " if aspect.name == "width" else "" for aspect in aspects]
    before = (width + a.before for width, a in zip(widths, aspects, strict=True))
    after = (width + a.after for width, a in zip(widths, aspects, strict=True))
    return ", ".join(before), ", ".join(after)


def _changes(edits: Iterable[Edit], a: Atlas, b: Atlas) -> Iterator[_Told]:
    for edit in edits:
        if isinstance(edit, Change):
            aspects = changed(edit.before, edit.after)
            yield _pair(edit.place, aspects, "", "", a, b)


def _pair(
    place: Place, aspects: tuple[Aspect, ...], before: str, after: str, a: Atlas, b: Atlas
) -> _Told:
    old, new = a[place.a], b[place.b]
    label = Place(old.label, new.label)
    if "stem" in old.roles & new.roles and "kernel" in {aspect.name for aspect in aspects}:
        label = Place("stem", "stem")
    return _Told("~", label, aspects, before, after, "", "", old, place)


def _kinds(edits: Iterable[Edit], a: Atlas, b: Atlas) -> Iterator[_Told]:
    """Tell blocks that become blocks of another kind, and nodes whose parameters change keys."""
    altered = {edit.place for edit in edits if isinstance(edit, Change)}
    for edit in edits:
        if isinstance(edit, Recast) and base_kind(edit.before) != base_kind(edit.after):
            if edit.owner.a:
                words = kind_words(edit.before), kind_words(edit.after)
                yield replace(_pair(edit.owner, (), *words, a, b), label=Place("block", "block"))
        elif isinstance(edit, Rename):
            place = edit.owner.child(edit.before, edit.after)
            if place not in altered:
                yield _pair(place, (), "renamed", "renamed", a, b)


def _swaps(edits: Sequence[Edit], a: Atlas, b: Atlas) -> list[tuple[Remove, Insert]]:
    """Return removals and insertions that are a block in a convolution's place, or the reverse."""
    gone = {(e.owner, e.node.name): e for e in edits if isinstance(e, Remove)}
    pairs = [
        (gone[e.owner, e.node.name], e)
        for e in edits
        if isinstance(e, Insert) and (e.owner, e.node.name) in gone
    ]
    return [
        (old, new)
        for old, new in pairs
        if _slot(a, place_of(old).a) == _slot(b, place_of(new).b) is not None
        and isinstance(old.node.body, Op) != isinstance(new.node.body, Op)
    ]


def _slot(atlas: Atlas, path: str) -> str | None:
    return atlas[path].node.tags.slot


def _swap(gone: Remove, come: Insert, a: Atlas, b: Atlas) -> _Told:
    place = Place(place_of(gone).a, place_of(come).b)
    words = _words(gone.node, gone.owner.a, a), _words(come.node, come.owner.b, b)
    return _pair(place, (), *words, a, b)


def _wires(edits: Sequence[Edit], a: Atlas, b: Atlas) -> Iterator[_Told]:
    """Tell nodes that read other values, where no insertion or removal explains it."""
    added = {(e.owner, e.node.name) for e in edits if isinstance(e, Insert)}
    gone = {(e.owner, e.node.name) for e in edits if isinstance(e, Remove)}
    for edit in edits:
        if isinstance(edit, Rewire):
            owner = Place(edit.place.a.rpartition(".")[0], edit.place.b.rpartition(".")[0])
            if _explained(owner, edit.before, edit.after, added, gone):
                continue
            words = f"reading {', '.join(edit.before)}", f"reading {', '.join(edit.after)}"
            yield _pair(edit.place, (), *words, a, b)
        elif isinstance(edit, Ports) and edit.owner.a:
            before, after = (*edit.before[0], edit.before[1]), (*edit.after[0], edit.after[1])
            if not _explained(edit.owner, before, after, added, gone):
                yield _pair(edit.owner, (), f"giving {before[-1]}", f"giving {after[-1]}", a, b)


def _explained(
    owner: Place,
    before: tuple[str, ...],
    after: tuple[str, ...],
    added: set[tuple[Place, str]],
    gone: set[tuple[Place, str]],
) -> bool:
    return any((owner, name) in gone for name in before) or any(
        (owner, name) in added for name in after
    )


def _runs(
    edits: Sequence[Insert | Remove], atlas: Atlas, sign: Sign, moved: Collection[str]
) -> Iterator[_Told]:
    """Tell nodes that stand only on one side; those that follow each other are told as one.

    Paths of `moved` stand on both, each in another place.
    """
    by_owner: list[Insert | Remove] = sorted(edits, key=_position)
    for owner, members in groupby(by_owner, key=_owner):
        scope = owner.b if sign == "+" else owner.a
        for run in _chained(list(members)):
            yield _run([edit.node for edit in run], owner, scope, atlas, sign, moved)


def _position(edit: Insert | Remove) -> tuple[object, ...]:
    return natural(edit.owner.a), natural(edit.owner.b), edit.index


def _owner(edit: Insert | Remove) -> Place:
    return edit.owner


def _chained(edits: list[Insert | Remove]) -> Iterator[list[Insert | Remove]]:
    run: list[Insert | Remove] = []
    for edit in edits:
        follows = run and edit.index == run[-1].index + 1
        if not (follows and run[-1].node.name in edit.node.inputs and _is_plain(edit, run[-1])):
            if run:
                yield run
            run = []
        run.append(edit)
    yield run


def _is_plain(*edits: Insert | Remove) -> bool:
    return all(isinstance(edit.node.body, Op) for edit in edits)


def _run(
    nodes: list[Node], owner: Place, scope: str, atlas: Atlas, sign: Sign, moved: Collection[str]
) -> _Told:
    sites = [atlas[join(scope, node.name)] for node in nodes]
    first = sites[0]
    words = listing([_words(node, scope, atlas) for node in nodes])
    # A convolution names a run better than the norm or activation in front of it.
    label = next((site for site in sites if site.node.tags.slot), first).label
    relation, landmark = "", ""
    # A whole block's name tells where it stands, but for one that is moved.
    if first.block != first.path or first.path in moved:
        relation, landmark = atlas.position(first.path, sites[-1].path)
    if sign == "+":
        told = Place("", label), "", words, Place("", first.path)
    else:
        told = Place(label, ""), words, "", Place(first.path, "")
    return _Told(sign, told[0], (), told[1], told[2], relation, landmark, first, told[3])


def _words(node: Node, scope: str, atlas: Atlas) -> str:
    site = atlas[join(scope, node.name)]
    body = site.node.body
    if isinstance(body, Graph):
        # A whole block of a backbone is told by its kind; its widths differ all along.
        if site.block == site.path:
            return kind_words(body.kind)
        return block_words(body, replaces=site.node.tags.slot is not None)
    assert isinstance(node.body, Op)
    return op_words(node.body)
