"""Backbones and head as a graph, before any policy; then the policies."""

from __future__ import annotations

from stspec.graph import Graph
from stspec.ir.pathways import Assembly
from stspec.ir.policy import apply_policy
from stspec.schema.spec import Spec


def build(spec: Spec) -> Graph:
    """Return the model's graph.

    Raises:
        SpecError: if a rule of a policy cannot be applied, or pathways wait for one another.
    """
    return apply_policy(spec, build_image_model(spec))


def build_image_model(spec: Spec) -> Graph:
    """Return backbones and head before the policies: the model without any notion of time."""
    return Assembly(spec).graph()
