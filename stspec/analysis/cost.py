"""What a model costs: parameters, MACs and activations, by node, by stage and in total.

Activations are the outputs of all operators, norms and activation functions included, for one clip
in float32. What a framework keeps or overwrites depends on how it runs the model; this does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from stspec.graph import Graph, Node
from stspec.ops.norm import BatchNorm
from stspec.passes.facts import Fact, Facts

if TYPE_CHECKING:
    from stspec.network import Network

BYTES = 4
"""Bytes of an element in float32."""

HEAD = "head"


@dataclass(frozen=True, slots=True)
class Row:
    """What one operator, one stage or the whole model costs, for one clip."""

    name: str
    kind: str
    stage: str
    output: str
    """Sizes of what comes out: CxTxHxW, batch left out."""
    params: int = 0
    macs: Mapping[str, int] = field(default_factory=dict)
    """By class of operator: convolution, linear, matmul."""
    norms: int = 0
    """Elements that batch norms give out."""
    activations: int = 0
    """Elements of the outputs of operators."""
    beside: bool = False
    """Whether it belongs to a pathway beside the trunk."""

    @property
    def activation_bytes(self) -> int:
        """Return the bytes of the outputs, in float32."""
        return BYTES * self.activations


@dataclass(frozen=True, slots=True)
class Convention:
    """A way to count, as the field's tools and tables do it."""

    name: str
    about: str
    count: Callable[[Row], int]


def _all(row: Row) -> int:
    return sum(row.macs.values())


def _conv(row: Row) -> int:
    return row.macs.get("convolution", 0)


def _fvcore(row: Row) -> int:
    return _all(row) + 5 * row.norms


def _fvcore_eval(row: Row) -> int:
    return _all(row) + 2 * row.norms


CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention("all", "MACs of convolutions, linear layers and matrix products", _all),
        Convention("conv", "MACs of convolutions alone", _conv),
        Convention(
            "fvcore",
            "as fvcore 0.1.5 counts in training mode: all, and 5 per element of a batch norm",
            _fvcore,
        ),
        Convention(
            "fvcore_eval",
            "as fvcore counts in evaluation mode: all, and 2 per element of a batch norm",
            _fvcore_eval,
        ),
    )
}
"""Conventions by name. One multiply-accumulate counts once in each; biases count in none."""


@dataclass(frozen=True)
class Cost:
    """The costs of a network's operators, in the order of execution."""

    rows: tuple[Row, ...]

    @cached_property
    def stages(self) -> tuple[Row, ...]:
        """Return the costs by stage; the head is one too."""
        order = dict.fromkeys(row.stage for row in self.rows)
        return tuple(
            _sum(stage, "stage", stage, (row for row in self.rows if row.stage == stage))
            for stage in order
        )

    @cached_property
    def total(self) -> Row:
        """Return the costs of the whole model."""
        return _sum("total", "model", "", self.rows)


def cost(network: Network) -> Cost:
    """Return what a network costs."""
    return cost_of(network.graph, network.facts)


def cost_of(graph: Graph, facts: Facts) -> Cost:
    """Return what a graph costs, given its facts."""
    stages, others = dict(stage_names(graph)), beside(graph)
    return Cost(
        tuple(
            _row(fact, stages[fact.path], fact.path.partition(".")[0] in others)
            for fact in facts.operators()
        )
    )


def beside(graph: Graph) -> set[str]:
    """Return the nodes of the graph that belong to pathways beside the trunk."""
    return {node.name for node in graph.nodes if node.tags.pathway is not None}


def stage_names(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield every node's path with its stage.

    What stands between two stages, as temporal pooling does, belongs to the one in front, what
    stands in front of all to the first; what follows the last stage is the head.
    """
    last = max((i for i, node in enumerate(graph.nodes) if _stages_in(node)), default=-1)
    first = next((n for node in graph.nodes for n in _stages_in(node)), None)
    current = HEAD
    for index, node in enumerate(graph.nodes):
        if index > last:
            current = HEAD
        leads = current == HEAD and index < last and not isinstance(node.body, Graph)
        yield from _stage_names(node, node.name, str(first) if leads else current)
        inside = _stages_in(node)
        current = str(inside[-1]) if inside else current


def _stage_names(node: Node, path: str, current: str) -> Iterator[tuple[str, str]]:
    own = str(node.tags.stage) if node.tags.stage is not None else current
    yield path, own
    if isinstance(node.body, Graph):
        for child in node.body.nodes:
            yield from _stage_names(child, f"{path}.{child.name}", own)
            # An untagged block of a numbered sequence goes on with the stage before it.
            own = str(child.tags.stage) if child.tags.stage is not None else own


def _stages_in(node: Node) -> list[int]:
    found = [node.tags.stage] if node.tags.stage is not None else []
    if isinstance(node.body, Graph):
        for child in node.body.nodes:
            found += _stages_in(child)
    return found


def _row(fact: Fact, stage: str, is_beside: bool) -> Row:
    op = fact.node.body
    assert not isinstance(op, Graph)
    return Row(
        fact.path,
        op.kind,
        stage,
        "x".join(map(str, fact.output.sizes)),
        fact.param_count,
        dict(fact.macs),
        fact.output.numel if isinstance(op, BatchNorm) else 0,
        fact.output.numel,
        is_beside,
    )


def _sum(name: str, kind: str, stage: str, rows: Iterable[Row]) -> Row:
    members = list(rows)
    ends = [row for row in members if not row.beside] or members
    macs: Counter[str] = Counter()
    for row in members:
        macs.update(row.macs)
    return Row(
        name,
        kind,
        stage,
        ends[-1].output if ends else "",
        sum(row.params for row in members),
        dict(macs),
        sum(row.norms for row in members),
        sum(row.activations for row in members),
    )
