"""Typed edits: together they turn the canonical graph of one network into that of another.

Every edit stores both sides, so that it can be applied, checked and negated. Paths come in
pairs, since an owner may be called differently on the two sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from stspec.graph import Graph, Node
from stspec.ops.base import Op


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the one network and in the other; "" is the whole model."""

    a: str
    b: str

    def negate(self) -> Place:
        """Return the place with sides swapped."""
        return Place(self.b, self.a)

    def child(self, a: str, b: str) -> Place:
        """Return the place of a node that is owned here."""
        return Place(join(self.a, a), join(self.b, b))


@dataclass(frozen=True, slots=True)
class Insert:
    """A node, with all that it owns, that only b has; ``index`` is its position in b's owner."""

    owner: Place
    index: int
    node: Node

    def negate(self) -> Remove:
        """Return the edit that takes it out again."""
        return Remove(self.owner.negate(), self.index, self.node)


@dataclass(frozen=True, slots=True)
class Remove:
    """A node, with all that it owns, that only a has; ``index`` is its position in a's owner."""

    owner: Place
    index: int
    node: Node

    def negate(self) -> Insert:
        """Return the edit that puts it back."""
        return Insert(self.owner.negate(), self.index, self.node)


@dataclass(frozen=True, slots=True)
class Change:
    """An operator that becomes another, or gets other fields."""

    place: Place
    before: Op
    after: Op

    def negate(self) -> Change:
        """Return the change back."""
        return Change(self.place.negate(), self.after, self.before)


@dataclass(frozen=True, slots=True)
class Rename:
    """A node that is called differently: its parameters have other keys."""

    owner: Place
    before: str
    after: str

    def negate(self) -> Rename:
        """Return the renaming back."""
        return Rename(self.owner.negate(), self.after, self.before)


@dataclass(frozen=True, slots=True)
class Rewire:
    """A node that reads other values of its scope."""

    place: Place
    before: tuple[str, ...]
    after: tuple[str, ...]

    def negate(self) -> Rewire:
        """Return the wiring back."""
        return Rewire(self.place.negate(), self.after, self.before)


@dataclass(frozen=True, slots=True)
class Recast:
    """A composite that counts as another kind of block."""

    owner: Place
    before: str
    after: str

    def negate(self) -> Recast:
        """Return the kind back."""
        return Recast(self.owner.negate(), self.after, self.before)


@dataclass(frozen=True, slots=True)
class Ports:
    """A composite whose inputs or output are other values of its scope."""

    owner: Place
    before: tuple[tuple[str, ...], str]
    """Names of the inputs, and name of the output."""
    after: tuple[tuple[str, ...], str]

    def negate(self) -> Ports:
        """Return the ports back."""
        return Ports(self.owner.negate(), self.after, self.before)


Edit: TypeAlias = Insert | Remove | Change | Rename | Rewire | Recast | Ports


def join(owner: str, name: str) -> str:
    """Return the path of a node in its owner."""
    return f"{owner}.{name}" if owner else name


def place_of(edit: Edit) -> Place:
    """Return where an edit happens; a side on which the node does not exist has its owner."""
    if isinstance(edit, Insert):
        return Place(edit.owner.a, join(edit.owner.b, edit.node.name))
    if isinstance(edit, Remove):
        return Place(join(edit.owner.a, edit.node.name), edit.owner.b)
    if isinstance(edit, Rename):
        return edit.owner.child(edit.before, edit.after)
    return edit.place if isinstance(edit, Change | Rewire) else edit.owner


def ordered(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """Return edits in the one order that a set of edits has: by place, then by type."""
    return tuple(sorted(edits, key=_key))


def _key(edit: Edit) -> tuple[object, ...]:
    place = place_of(edit)
    return (natural(place.a), natural(place.b), type(edit).__name__)


def natural(path: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts layer2 before layer10."""
    parts = re.split(r"(\d+)", path)
    return tuple((1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts)


def operator_count(body: Op | Graph) -> int:
    """Return the number of operators of a body."""
    if isinstance(body, Graph):
        return sum(operator_count(node.body) for node in body.nodes)
    return 1
