"""Shapes, parameters and MACs of every node, without running anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from stspec.graph import Graph, Node
from stspec.ops.base import Op, Param, Shape, ShapeError
from stspec.ops.registry import OPS

MOST_ELEMENTS = 1 << 40
"""Elements of a tensor, four TiB in fp32; sizes in torch are 64-bit integers."""

NO_MACS: Mapping[str, int] = MappingProxyType({})


class Fact(NamedTuple):
    """What is known of one node. ``macs`` counts by class of operator, batch 1."""

    path: str
    node: Node
    inputs: tuple[Shape, ...]
    output: Shape
    params: tuple[Param, ...] = ()
    macs: Mapping[str, int] = NO_MACS

    @property
    def param_count(self) -> int:
        """Return the number of learnt parameters of an operator."""
        return sum(p.numel for p in self.params if p.role != "buffer")


class Facts:
    """The facts of all nodes of a graph, owners included, in the order of execution."""

    def __init__(self, graph: Graph, input_shape: Shape) -> None:
        self.graph = graph
        self.input = input_shape
        self._facts: dict[str, Fact] = {}
        self.output = self._run(graph, (input_shape,), "")

    def __getitem__(self, path: str) -> Fact:
        return self._facts[path]

    def __iter__(self) -> Iterator[Fact]:
        return iter(self._facts.values())

    def operators(self) -> Iterator[Fact]:
        """Yield the facts of operators alone."""
        return (fact for fact in self if isinstance(fact.node.body, Op))

    def state(self) -> dict[str, tuple[int, ...]]:
        """Return key and shape of every entry of the state dict, in the module's order."""
        return {
            f"{fact.path}.{param.name}": param.shape
            for fact in self.operators()
            for param in fact.params
        }

    @property
    def params(self) -> int:
        """Return the number of learnt parameters."""
        return sum(fact.param_count for fact in self.operators())

    def macs(self) -> Counter[str]:
        """Return MACs of one clip by class: convolution, linear, matmul."""
        total: Counter[str] = Counter()
        for fact in self.operators():
            total.update(fact.macs)
        return total

    def _run(self, graph: Graph, inputs: Sequence[Shape], prefix: str) -> Shape:
        known = dict(zip(graph.inputs, inputs, strict=True))
        for node in graph.nodes:
            arriving = tuple(known[name] for name in node.inputs)
            known[node.name] = self._node(node, arriving, prefix + node.name)
        return known[graph.output]

    def _node(self, node: Node, inputs: tuple[Shape, ...], path: str) -> Shape:
        if isinstance(node.body, Graph):
            # An owner stands in front of what it owns; its output is known only afterwards.
            self._facts[path] = Fact(path, node, inputs, inputs[0])
            output = self._run(node.body, inputs, path + ".")
            self._facts[path] = Fact(path, node, inputs, output)
            return output
        op = node.body
        # Those from outside the package may be anything, such as lists, which have no hash.
        measure = _measured_once if op.kind in OPS.built_in else _measured
        try:
            output, params, macs = measure(op, inputs)
        except ShapeError as error:
            raise NodeShapeError(path, node, inputs, error, tuple(self._facts.values())) from error
        except Exception as error:
            if op.kind in OPS.built_in:
                raise
            raise OperatorError(path, node.tags.rule, op, inputs, error) from error
        self._facts[path] = Fact(path, node, inputs, output, params, macs)
        return output


_Measures = tuple[Shape, tuple[Param, ...], Mapping[str, int]]


def _measured(op: Op, inputs: tuple[Shape, ...]) -> _Measures:
    """Return an operator's output, state and MACs."""
    output = op.infer(inputs)
    if not isinstance(output, Shape):
        raise TypeError(f"infer() returns {output!r:.80}, which is no Shape")
    params = op.params(inputs)
    _check_size(output, params)
    return output, params, op.macs(inputs)


_measured_once = lru_cache(maxsize=10_000)(_measured)
"""Blocks are alike, in one network and in a family of them."""


def _check_size(output: Shape, params: Sequence[Param]) -> None:
    """Raise a ShapeError if no machine could hold an operator's output or a parameter."""
    for param in params:
        if not isinstance(param, Param):
            raise TypeError(f"params() gives {param!r:.80}, which is no Param")
    most = max(output.numel, *(param.numel for param in params), 0)
    if most > MOST_ELEMENTS:
        raise ShapeError(
            f"it would make a tensor of {most:,} elements, which fits nowhere", "width"
        )


class OperatorError(Exception):
    """The declaration of an operator from outside raised."""

    def __init__(
        self,
        path: str,
        rule: str | None,
        op: Op,
        inputs: tuple[Shape, ...],
        cause: Exception,
    ) -> None:
        super().__init__(str(cause))
        self.path, self.rule, self.op, self.cause = path, rule, op, cause
        self.shapes = " and ".join(str(shape) for shape in inputs)


class NodeShapeError(Exception):
    """A shape error with the node where it arose and the facts up to there."""

    def __init__(
        self,
        path: str,
        node: Node,
        inputs: tuple[Shape, ...],
        cause: ShapeError,
        before: tuple[Fact, ...],
    ) -> None:
        super().__init__(str(cause))
        self.path, self.node, self.inputs, self.cause, self.before = (
            path,
            node,
            inputs,
            cause,
            before,
        )
