"""Deep merging of immutable trees."""

from __future__ import annotations

from dataclasses import replace

from stspec.source.nodes import Mapping, Node, Scalar, Sequence


def merge(parent: Mapping, child: Mapping) -> Mapping:
    """`child` over `parent`: mappings merge, lists and scalars are replaced, null removes.

    Keys keep the parent's order, new ones follow; a key that both have is placed at the child's.
    """
    given = {str(key.value) for key, _ in child.entries}
    whole = _laid_over(parent, child)
    entries = tuple(
        (key, prune(value) if key.value in given else value) for key, value in whole.entries
    )
    return replace(whole, entries=entries)


def _laid_over(parent: Mapping, child: Mapping) -> Mapping:
    """Both, with whatever nulls are inside them."""
    entries = {str(key.value): (key, value) for key, value in parent.entries}
    for key, value in child.entries:
        name = str(key.value)
        if is_null(value):
            entries.pop(name, None)
            continue
        before = entries[name][1] if name in entries else None
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = _laid_over(before, value)
        entries[name] = (key, value)
    removed = (*parent.removed, *_nulls(child))
    return replace(child, entries=tuple(entries.values()), removed=removed)


def prune(node: Node) -> Node:
    """The tree without the keys that are null; a list keeps its nulls."""
    if isinstance(node, Mapping):
        kept = tuple((k, prune(v)) for k, v in node.entries if not is_null(v))
        return replace(node, entries=kept, removed=_nulls(node))
    if isinstance(node, Sequence):
        return Sequence(tuple(prune(item) for item in node.items), node.span, node.origin)
    return node


def _nulls(node: Mapping) -> tuple[Scalar, ...]:
    return (*node.removed, *(key for key, value in node.entries if is_null(value)))


def is_null(node: Node) -> bool:
    """Whether a node is the scalar null."""
    return isinstance(node, Scalar) and node.value is None
