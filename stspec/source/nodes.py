"""The tree: scalars, sequences and mappings, each with its place in a text and its history.

Rules that every tree keeps:
- nodes are immutable, and a subtree may be shared between trees;
- the keys of a mapping are string scalars, each there once;
- no tree is deeper than `MAX_DEPTH`, so that walking one by recursion is safe.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from stspec.diagnostics import Span

MAX_DEPTH = 64

Origin: TypeAlias = tuple[str, ...]
"""How a value came to be, from where it was written outwards:
('specs/families/tam.yaml', 'extended by specs/tam_resnet50.yaml') or ('--set',)."""

Atom: TypeAlias = str | int | float | bool | None
Plain: TypeAlias = "Atom | list[Plain] | dict[str, Plain]"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, number, truth value or null."""

    value: Atom
    span: Span
    origin: Origin = ()


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of nodes."""

    items: tuple[Node, ...]
    span: Span
    origin: Origin = ()

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.items)


@dataclass(frozen=True, slots=True)
class Mapping:
    """Named nodes in the order of the text.

    `removed` are keys that a null has taken out, which messages point at where they are missing.
    """

    entries: tuple[tuple[Scalar, Node], ...]
    span: Span
    origin: Origin = ()
    removed: tuple[Scalar, ...] = field(default=(), compare=False, repr=False)

    def get(self, key: str) -> Node | None:
        """The value of a key, or None where there is no such key."""
        for name, value in self.entries:
            if name.value == key:
                return value
        return None

    def key(self, key: str) -> Scalar | None:
        """The node of the key itself, or None where there is no such key."""
        for name, _ in self.entries:
            if name.value == key:
                return name
        return None

    def keys(self) -> tuple[str, ...]:
        """All keys, in order."""
        return tuple(str(name.value) for name, _ in self.entries)

    def items(self) -> Iterator[tuple[str, Node]]:
        """Pairs of key and value, in order."""
        return ((str(name.value), value) for name, value in self.entries)

    def without(self, *keys: str) -> Mapping:
        """The same mapping, lacking these keys."""
        kept = tuple(entry for entry in self.entries if entry[0].value not in keys)
        return replace(self, entries=kept)

    def with_entry(self, key: Scalar, value: Node) -> Mapping:
        """The same mapping with one entry replaced in its place, or added at the end."""
        entries = list(self.entries)
        for i, (name, _) in enumerate(entries):
            if name.value == key.value:
                entries[i] = (key, value)
                break
        else:
            entries.append((key, value))
        return replace(self, entries=tuple(entries))

    def __contains__(self, key: object) -> bool:
        return any(name.value == key for name, _ in self.entries)

    def __len__(self) -> int:
        return len(self.entries)


Node: TypeAlias = Scalar | Sequence | Mapping


def to_plain(node: Node) -> Plain:
    """The values alone: dicts, lists and scalars of Python."""
    if isinstance(node, Mapping):
        return {key: to_plain(value) for key, value in node.items()}
    if isinstance(node, Sequence):
        return [to_plain(item) for item in node.items]
    return node.value


def with_origin(node: Node, origin: Origin) -> Node:
    """The tree with this origin on every node."""
    if isinstance(node, Mapping):
        entries = tuple(
            (Scalar(k.value, k.span, origin), with_origin(v, origin)) for k, v in node.entries
        )
        return Mapping(entries, node.span, origin)
    if isinstance(node, Sequence):
        return Sequence(tuple(with_origin(x, origin) for x in node.items), node.span, origin)
    return Scalar(node.value, node.span, origin)


def describe(node: Node) -> str:
    """What a message says was found: `a mapping`, `a list`, `"8 frames"`, `true`, `null`."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    value = node.value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 40 else value[:39] + "…", ensure_ascii=False)
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return repr(value)
