"""A policy rewrites the image model: convert, factorise, insert, and pool time."""

from __future__ import annotations

from stspec.graph import Graph
from stspec.ir.convert import convert
from stspec.ir.insert import insert
from stspec.ir.pooling import pool_time
from stspec.schema.spec import Spec


def apply_policy(spec: Spec, graph: Graph) -> Graph:
    """Return the graph with every pathway's rules applied in order, then its time pooled.

    Raises:
        SpecError: if a rule matches nothing, or what it matches cannot be what it asks for.
    """
    edits = 0
    for pathway in spec.pathways:
        for rule in pathway.rules:
            apply = convert if rule.keys.to else insert
            graph, count = apply(spec, pathway, rule, graph, edits)
            edits += count
        graph = pool_time(spec, pathway, graph)
    return graph
