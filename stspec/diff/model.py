"""The difference of two networks as one value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from stspec.diff.canonical import canonical
from stspec.diff.compare import compare
from stspec.diff.costs import Quantity, costs
from stspec.diff.edits import Edit, Insert, Remove, operator_count, ordered
from stspec.diff.facets import Facet, Reading, facets
from stspec.diff.figures import plural
from stspec.diff.fills import Tensor, tensors
from stspec.diff.groups import Group, group
from stspec.diff.patch import apply
from stspec.diff.stages import Stage, stages
from stspec.graph import Graph
from stspec.network import Network


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two networks: its name, what tells it from the other, its size."""

    name: str
    label: str
    backbone: str
    channels: int
    """Channels of its input."""
    operators: int
    """Operators of its graph."""


@dataclass(frozen=True, slots=True)
class Diff:
    """What turns network a into network b.

    Two diffs are equal if all that they say is equal; ``diff(b, a) == diff(a, b).negate()``.
    """

    a: Side
    b: Side
    policy: tuple[Facet, ...]
    edits: tuple[Edit, ...]
    groups: tuple[Group, ...]
    """The edits in words, those that are alike told once."""
    stages: tuple[Stage, ...]
    """Both backbones at a glance; empty where they are the same."""
    costs: tuple[Quantity, ...]
    tensors: tuple[Tensor, ...]

    @property
    def empty(self) -> bool:
        """Tell whether nothing differs: neither graph nor policy, cost nor checkpoint."""
        return (
            not self.edits
            and all(facet.same for facet in self.policy)
            and all(quantity.same for quantity in self.costs)
            and all(tensor.same for tensor in self.tensors)
        )

    @property
    def matched(self) -> int:
        """Return how many operators of a are operators of b too, perhaps changed."""
        return self.a.operators - self.removed

    @property
    def removed(self) -> int:
        """Return how many operators only a has."""
        return sum(operator_count(e.node.body) for e in self.edits if isinstance(e, Remove))

    @property
    def inserted(self) -> int:
        """Return how many operators only b has."""
        return sum(operator_count(e.node.body) for e in self.edits if isinstance(e, Insert))

    @property
    def alike(self) -> bool:
        """Tell whether the networks have enough in common for single edits to say something."""
        return 4 * self.matched >= self.a.operators + self.b.operators

    @property
    def summary(self) -> str:
        """Return one line on the edits."""
        if not self.edits:
            return "the same operators"
        if self.alike:
            return f"{plural(len(self.edits), 'edit')} of {plural(len(self.groups), 'kind')}"
        return (
            f"{self.matched} operators correspond, {self.removed} are only in {self.a.label}, "
            f"{self.inserted} only in {self.b.label}"
        )

    def apply(self, graph: Graph) -> Graph:
        """Return b's canonical graph.

        Args:
            graph: a's graph, canonical or as it was compiled.

        Raises:
            PatchError: if it is another graph.
        """
        return apply(self.edits, canonical(graph, [self.a.channels] * len(graph.inputs)))

    def negate(self) -> Diff:
        """Return the diff from b to a."""
        return replace(
            self,
            a=self.b,
            b=self.a,
            policy=tuple(facet.negate() for facet in self.policy),
            edits=ordered(edit.negate() for edit in self.edits),
            groups=tuple(told.negate() for told in self.groups),
            stages=tuple(stage.negate() for stage in self.stages),
            costs=tuple(quantity.negate() for quantity in self.costs),
            tensors=tuple(tensor.negate() for tensor in self.tensors),
        )


def diff(a: Network, b: Network) -> Diff:
    """Compare two networks."""
    old, new = Reading(a), Reading(b)
    policy = facets(old, new)
    edits = compare(old.canonical, new.canonical)
    labels = _labels(old, new, policy)
    other_backbone = not policy[0].same
    return Diff(
        _side(old, labels[0]),
        _side(new, labels[1]),
        policy,
        edits,
        group(edits, old.atlas, new.atlas),
        stages(old, new) if other_backbone else (),
        costs(a, b),
        tensors(a, b),
    )


def _side(reading: Reading, label: str) -> Side:
    count = operator_count(reading.canonical)
    return Side(reading.network.name, label, reading.backbone, reading.channels, count)


def _labels(a: Reading, b: Reading, policy: tuple[Facet, ...]) -> tuple[str, str]:
    """Return names that tell the networks apart, short enough for the head of a column."""
    names = a.network.name, b.network.name
    if names[0] != names[1]:
        return names
    for x, y in [(a.backbone, b.backbone), *_short(a, b), *((f.a, f.b) for f in policy)]:
        if x != y and max(len(x), len(y)) <= 20:
            return f"{names[0]}, {x}", f"{names[1]}, {y}"
    return names


def _short(a: Reading, b: Reading) -> Iterator[tuple[str, str]]:
    old, new = a.network.facts.input, b.network.facts.input
    yield f"{old.frames} frames", f"{new.frames} frames"
    yield f"{old.height} x {old.width}", f"{new.height} x {new.width}"
    yield f"{old.channels} channels", f"{new.channels} channels"
