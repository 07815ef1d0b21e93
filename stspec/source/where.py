"""Finds in a tree what another library's path of keys and indices means."""

from __future__ import annotations

from collections.abc import Sequence as AnySequence
from dataclasses import dataclass, replace

from stspec.diagnostics import Span
from stspec.source.nodes import Mapping, Node, Scalar, Sequence

Step = str | int


@dataclass(frozen=True, slots=True)
class Where:
    """Where a path leads: the node, the key it stands under, and how one got there.

    `path` holds the steps that the tree knows; `tags` are the others, each with the number of
    known steps before it: names of alternatives, which pydantic puts between keys.
    """

    node: Node
    key: Scalar | None = None
    path: tuple[Step, ...] = ()
    tags: tuple[tuple[int, str], ...] = ()


def walk(
    node: Node, steps: AnySequence[Step], *, to_mapping: bool = False, key: Scalar | None = None
) -> Where:
    """Follow the steps as far as the tree has them.

    A step that the tree does not have is taken for a tag, an index into what is no list for the
    thing itself. Where a tag and a key have the same name, the reading is preferred under which
    most steps are known, and (`to_mapping`) under which the path ends at a mapping.
    """
    found = _walk(Where(node, key), tuple(steps))
    return max(found, key=lambda where: _rank(where, to_mapping))


def locate(node: Node, loc: AnySequence[Step]) -> tuple[Span | None, Span]:
    """The spans of the key and of the value at a path; no key for the root and for list items.

    Where the path leaves the tree, the spans of the last node on the way.
    """
    where = walk(node, loc)
    return (where.key.span if where.key else None), where.node.span


def shown_path(path: AnySequence[Step]) -> str:
    """A path as messages show it: `clip.size[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _rank(where: Where, to_mapping: bool) -> tuple[bool, int, bool]:
    # With as many known steps, a path is more likely to end at a key than at a tag.
    ends_at_key = not where.tags or where.tags[-1][0] < len(where.path)
    return not to_mapping or isinstance(where.node, Mapping), len(where.path), ends_at_key


def _walk(at: Where, steps: tuple[Step, ...]) -> list[Where]:
    if not steps:
        return [at]
    head, rest = steps[0], steps[1:]
    below = _below(at, head)
    found = _walk(below, rest) if below is not None else []
    if isinstance(head, str):
        found += _walk(replace(at, tags=(*at.tags, (len(at.path), head))), rest)
    elif below is None:
        found += _walk(at, rest)
    return found


def _below(at: Where, step: Step) -> Where | None:
    node = at.node
    if isinstance(node, Mapping):
        for key, value in node.entries:
            if key.value == str(step):
                return Where(value, key, (*at.path, str(step)), at.tags)
    if isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
        return Where(node.items[step], None, (*at.path, step), at.tags)
    return None
