"""What a graph means, told a second time and plainly: every value a clip (N, C, T, H, W).

No layout, no class, no emitted line: operators are evaluated one after the other, slowly.
Features are (N, T, C), scores (N, C).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stspec.graph import Graph
from stspec.network import Network
from stspec.ops.base import Op
from tests.interpreter import heads, plain, temporal
from tests.interpreter.values import Rule, State, Weights

RULES: Mapping[type[Op], Rule] = {**plain.RULES, **temporal.RULES, **heads.RULES}


def interpret(network: Network, state: State, clip: Tensor) -> Tensor:
    """Return what a network gives for clips, with the weights of a state dict, in evaluation."""
    return _run(network.graph, state, [clip], "")


def _run(graph: Graph, state: State, inputs: list[Tensor], prefix: str) -> Tensor:
    known = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        values = [known[name] for name in node.inputs]
        path = prefix + node.name
        if isinstance(node.body, Graph):
            known[node.name] = _run(node.body, state, values, path + ".")
        else:
            known[node.name] = RULES[type(node.body)](node.body, Weights(state, path), values)
    return known[graph.output]
