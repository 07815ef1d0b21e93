"""Which node of the one scope is which of the other.

First by name, where both can be the same thing; then, between nodes that are matched already,
in order, by likeness. Matches never cross, so that an insertion misaligns nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from stspec.graph import Graph, Node
from stspec.ops.activation import Activation
from stspec.ops.base import Op
from stspec.ops.conv import Conv2d
from stspec.ops.norm import BatchNorm
from stspec.ops.pool import Pool2d, TemporalPool

Pair = tuple[int, int]

_FAMILIES: tuple[type[Op], ...] = (Conv2d, Pool2d, TemporalPool, Activation, BatchNorm)
_PREFIXES = (
    *("downsample_", "padded_", "pooled_", "open_", "strided_", "bypass_"),
    *("parallel_", "skip_"),
)
_MOST_COMPARED = 4096
"""Pairs in one gap beyond which likeness is not asked: such scopes have nothing in common."""


def align(a: Sequence[Node], b: Sequence[Node]) -> list[Pair]:
    """Return pairs of positions in the order of both scopes.

    The result for swapped scopes is the swapped result.
    """
    if _precedes(b, a):
        # Ties are broken by position; one orientation keeps that the same for both.
        return [(i, j) for j, i in _align(b, a)]
    return _align(a, b)


def _precedes(x: Sequence[Node], y: Sequence[Node]) -> bool:
    names, others = [n.name for n in x], [n.name for n in y]
    if names != others:
        return names < others
    if all(map(compatible, x, y)):
        return False
    return [repr(n.body) for n in x] < [repr(n.body) for n in y]


def _align(a: Sequence[Node], b: Sequence[Node]) -> list[Pair]:
    anchors = _by_name(a, b)
    pairs: list[Pair] = []
    start = (0, 0)
    for anchor in [*anchors, (len(a), len(b))]:
        gap = _by_likeness(a[start[0] : anchor[0]], b[start[1] : anchor[1]])
        pairs += [(i + start[0], j + start[1]) for i, j in gap]
        pairs.append(anchor)
        start = (anchor[0] + 1, anchor[1] + 1)
    return pairs[:-1]


def _by_name(a: Sequence[Node], b: Sequence[Node]) -> list[Pair]:
    where = {node.name: j for j, node in enumerate(b)}
    found = [
        (i, where[node.name])
        for i, node in enumerate(a)
        if node.name in where and compatible(node, b[where[node.name]])
    ]
    return _rising(found)


def _rising(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the longest part of the pairs, whose left sides rise, whose right sides rise too."""
    tails: list[int] = []
    chains: list[list[Pair]] = []
    for pair in pairs:
        at = bisect_left(tails, pair[1])
        chain = [*(chains[at - 1] if at else ()), pair]
        tails[at : at + 1] = [pair[1]]
        chains[at : at + 1] = [chain]
    return chains[-1] if chains else []


def _by_likeness(a: Sequence[Node], b: Sequence[Node]) -> list[Pair]:
    """Return the pairs of most likeness that do not cross (Needleman and Wunsch, 1970)."""
    if not a or not b or len(a) * len(b) > _MOST_COMPARED:
        return []
    score = [[likeness(x, y) for y in b] for x in a]
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            skipped = max(best[i + 1][j], best[i][j + 1])
            matched = score[i][j] + best[i + 1][j + 1] if score[i][j] else 0
            best[i][j] = max(skipped, matched)
    pairs, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        if score[i][j] and best[i][j] == score[i][j] + best[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def compatible(x: Node, y: Node) -> bool:
    """Tell whether two nodes of one name can be the same thing, perhaps changed."""
    if isinstance(x.body, Graph) or isinstance(y.body, Graph):
        return isinstance(x.body, Graph) and isinstance(y.body, Graph)
    return type(x.body) is type(y.body) or _family(x.body) == _family(y.body) is not None


def _family(op: Op) -> object:
    """Return what kinds of an operator count as versions of each other, or None."""
    for family in _FAMILIES:
        if isinstance(op, family):
            return family
    window = op.window()
    looks_along_time = window.time.kernel > 1 and not window.global_time
    return "temporal" if looks_along_time else None


def likeness(x: Node, y: Node) -> int:
    """Return how alike two nodes of different names are; 0 is not at all."""
    if not compatible(x, y):
        return 0
    if x.body == y.body:
        return 4
    if isinstance(x.body, Graph) and isinstance(y.body, Graph):
        return _graph_likeness(x.body, y.body)
    if isinstance(x.body, Conv2d) and isinstance(y.body, Conv2d):
        return 2 if x.body.sides == y.body.sides else 0
    return 2 if type(x.body) is type(y.body) else 1


def _graph_likeness(x: Graph, y: Graph) -> int:
    if base_kind(x.kind) != base_kind(y.kind):
        return 0
    mine, theirs = {n.name for n in x.nodes}, {n.name for n in y.nodes}
    shared = len(mine & theirs)
    return 2 if 2 * shared > max(len(mine), len(theirs)) else 0


def base_kind(kind: str) -> str:
    """Return a block's kind without what only says how its parts are joined."""
    for prefix in _PREFIXES:
        kind = kind.removeprefix(prefix)
    return kind
