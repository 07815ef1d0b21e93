"""What all rules share: their fields site by site, what they make, and how much they may do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from stspec.blocks.base import Block
from stspec.diagnostics import Diagnostic, Label, SpecError
from stspec.graph import Graph
from stspec.ir.select import Site, matches, sites_of
from stspec.ops.base import Op
from stspec.schema.models import Selector
from stspec.schema.spec import Each, Rule

MOST_EDITS = 4000
"""Places that a policy may change: twenty times what a rule changes in the deepest backbone."""


def found_by(selector: Selector, graph: Graph, pathway: str | None) -> list[Site]:
    """Return the sites of a pathway that a selector means, owners before what they own."""
    return [site for site in sites_of(graph, pathway) if matches(selector, site)]


def check_bounds(rule: Rule, edits: int) -> None:
    """Raise a SpecError if a policy changes too many places."""
    if edits > MOST_EDITS:
        raise error(
            rule,
            "too-large",
            f"with rule `{rule.name}`, the policy changes {edits} places",
            f"at most {MOST_EDITS} can be changed",
        )


def error(rule: Rule, code: str, message: str, label: str, help: str | None = None) -> SpecError:
    """Return a diagnosis that points at a rule."""
    return SpecError(Diagnostic(code, message, (Label(rule.node.span, label),), help))


def make(rule: Rule, target: type[Op] | type[Block], values: Mapping[str, Any]) -> Op | Block:
    """Return what a rule makes at a site.

    Raises:
        SpecError: if the rule's fields and those of the site do not go together.
    """
    try:
        return target(**values)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        text = str(first.get("ctx", {}).get("error", first["msg"]))
        if first["type"] == "missing":
            text = f"it needs `{first['loc'][0]}`"
        message = f"rule `{rule.name}` makes an impossible {target.kind}: {text}"
        raise error(rule, "bad-value", message, "this rule") from invalid


def values_along(rule: Rule, found: list[Site]) -> list[dict[str, Any]]:
    """Return the rule's fields for every site, parameters that run along sites resolved.

    Where none runs along them, all sites have the same mapping.
    """
    if not any(isinstance(value, Each) for value in rule.values.values()):
        return [dict(rule.values)] * len(found)
    counts: Counter[int | None] = Counter()
    values = []
    for total, site in enumerate(found):
        index = counts[site.stage]
        counts[site.stage] += 1
        values.append(
            {
                name: value.values[(index if value.over == "stage" else total) % len(value.values)]
                if isinstance(value, Each)
                else value
                for name, value in rule.values.items()
            }
        )
    return values
