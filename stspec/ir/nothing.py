"""A selector that matches nothing: which of its conditions is to blame."""

from __future__ import annotations

from stspec.diagnostics import Diagnostic, Label, SpecError, did_you_mean
from stspec.graph import Graph
from stspec.ir.select import FAMILIES, Site, matches, sites_of
from stspec.ops.base import Op
from stspec.schema.models import Selector
from stspec.schema.rules import Rule
from stspec.source.nodes import Mapping, Node


def matches_nothing(rule: Rule, selector: Selector, graph: Graph, pathway: str | None) -> SpecError:
    """Return the diagnosis of a rule whose selector matches nothing in its pathway."""
    every = list(sites_of(graph, pathway))
    key = "where" if rule.keys.to else "at"
    node = rule.node.get(key)
    blamed, help = _blame(selector, every)
    at: Node | None = node.get(blamed) if blamed and isinstance(node, Mapping) else None
    if at is not None:
        label = Label(at.span, f"this backbone has no such {blamed.removesuffix('s')}")
    else:
        label = Label((node or rule.node).span, "no site fulfils this")
        help = _why_none(rule, selector, every)
    message = f"rule `{rule.path}` matches nothing in this backbone"
    return SpecError(Diagnostic("matches-nothing", message, (label,), help=help))


def _why_none(rule: Rule, selector: Selector, every: list[Site]) -> str:
    met = any(matches(selector, site) for site in every)
    if met and rule.keys.insert is not None:
        return "what it matches is no place: name a role, a slot, or an op"
    return "each condition is met somewhere, but no site meets them all"


def _blame(selector: Selector, every: list[Site]) -> tuple[str, str | None]:
    """Return the condition that no site meets at all, and what would be met."""
    ops = {s.node.body.kind for s in every if isinstance(s.node.body, Op)}
    known: dict[str, list[str]] = {
        "role": sorted({role for site in every for role in site.roles}),
        "slot": sorted({s.node.tags.slot for s in every if s.node.tags.slot}),
        "op": sorted({*ops, *FAMILIES}),
        "stages": [str(n) for n in sorted({s.stage for s in every if s.stage is not None})],
    }
    for key, choices in known.items():
        wanted = [str(name) for name in getattr(selector, key) or []]
        if wanted and not set(wanted) & set(choices):
            return key, did_you_mean(wanted[0], choices) or "it has none"
    return "", None
