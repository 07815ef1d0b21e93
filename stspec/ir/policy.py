"""A policy rewrites the image model: convert, factorise, insert, and pool time."""

from __future__ import annotations

from stspec.graph import Graph
from stspec.ir.convert import convert
from stspec.ir.insert import insert
from stspec.ir.pooling import pool_time
from stspec.schema.collect import Collector
from stspec.schema.models import Selector
from stspec.schema.spec import Rule, Spec


def apply_policy(spec: Spec, graph: Graph) -> Graph:
    """Return the graph with every pathway's rules applied in order, then its time pooled.

    Raises:
        SpecError: if a rule matches nothing, or what it matches cannot be what it asks for.
    """
    edits = 0
    errors = Collector()
    for pathway in spec.pathways:
        for rule in pathway.rules:
            if errors.diagnostics and _builds_on_others(rule):
                continue
            apply = convert if rule.keys.to else insert
            with errors.collect():
                graph, count = apply(spec, pathway, rule, graph, edits)
                edits += count
        if not errors.diagnostics:
            graph = pool_time(spec, pathway, graph)
    errors.finish()
    return graph


def _builds_on_others(rule: Rule) -> bool:
    """Tell whether a rule speaks of what another may have made: an operator, a block's inside."""
    selector: Selector | None = rule.keys.where or rule.keys.at
    while selector is not None:
        if selector.op or any("." in slot for slot in selector.slot or ()):
            return True
        selector = selector.exclude
    return False
