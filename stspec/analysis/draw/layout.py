"""Where the boxes of a block stand: layers along the flow of data, lanes across it.

An edge that passes layers by runs through them in a lane of its own, so that no edge crosses a
box. The longest path keeps the first lane.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from stspec.analysis.draw.figure import INPUT, Inside


@dataclass(frozen=True, slots=True)
class Point:
    """A place of the grid."""

    layer: int
    lane: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes by name, edges as points from box to box, and the size of the grid."""

    boxes: dict[str, Point]
    edges: tuple[tuple[Point, ...], ...]
    layers: int
    lanes: int


def lay_out(inside: Inside) -> Layout:
    """Return where the boxes of a block stand; layer 0 is where data comes in."""
    layers = _layers(inside)
    lanes = _Lanes(inside, layers)
    boxes = {name: Point(layers[name], lanes.of[name]) for name in [INPUT, *inside.parts]}
    edges = tuple(
        (boxes[source], *lanes.passing.get((source, target), ()), boxes[target])
        for source, target in inside.edges
    )
    depth = max(layers.values()) + 1
    return Layout(boxes, edges, depth, lanes.count)


def _layers(inside: Inside) -> dict[str, int]:
    layers = {INPUT: 0}
    for name in inside.parts:
        layers[name] = 1 + max(layers[s] for s, t in inside.edges if t == name)
    return layers


class _Lanes:
    """Gives every box and every passing edge a lane, chain by chain."""

    def __init__(self, inside: Inside, layers: dict[str, int]) -> None:
        self.layers = layers
        self.of: dict[str, int] = {}
        self.passing: dict[tuple[str, str], tuple[Point, ...]] = {}
        self.taken: defaultdict[int, set[int]] = defaultdict(set)
        self.after: defaultdict[str, list[str]] = defaultdict(list)
        for source, target in inside.edges:
            self.after[source].append(target)
        self.rest = self._rest([INPUT, *inside.parts])
        self._chain(INPUT, 0)
        for source, target in sorted(inside.edges, key=lambda e: layers[e[0]]):
            self._pass(source, target)
        self.count = 1 + max(max(lanes, default=0) for lanes in self.taken.values())

    def _rest(self, names: list[str]) -> dict[str, int]:
        """Return how many boxes follow each box on the longest way out."""
        rest: dict[str, int] = {}
        for name in reversed(names):
            rest[name] = 1 + max((rest[target] for target in self.after[name]), default=0)
        return rest

    def _chain(self, name: str, lane: int) -> None:
        """Put a box and the longest way on from it into a lane; branches into further ones."""
        self.of[name] = lane
        self.taken[self.layers[name]].add(lane)
        ways = sorted(self.after[name], key=lambda target: -self.rest[target])
        direct = True
        for target in ways:
            if target in self.of:
                continue
            same = direct and self.layers[target] == self.layers[name] + 1
            first, last = self.layers[name] + 1, self._end(target)
            self._chain(target, lane if same else self._free(first, last))
            direct = direct and not same

    def _end(self, name: str) -> int:
        """Return the layer up to which a branch needs its lane."""
        fresh = [target for target in self.after[name] if target not in self.of]
        return max([self.layers[name], *(self._end(target) for target in fresh)])

    def _free(self, first: int, last: int) -> int:
        lane = 0
        while any(lane in self.taken[layer] for layer in range(first, last + 1)):
            lane += 1
        return lane

    def _pass(self, source: str, target: str) -> None:
        first, last = self.layers[source] + 1, self.layers[target] - 1
        if first > last:
            return
        own = self.of[source]
        between = range(first, last + 1)
        lane = own if all(own not in self.taken[i] for i in between) else self._free(first, last)
        for layer in between:
            self.taken[layer].add(lane)
        self.passing[source, target] = tuple(Point(layer, lane) for layer in between)
