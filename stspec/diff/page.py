"""A diff as a page: one HTML file without outside references. Imports jinja2 when asked."""

from __future__ import annotations

from typing import Any

from stspec.compose.locate import data_root
from stspec.diff.costs import NOTES, Quantity
from stspec.diff.figures import change_text, count_text, sign_of, value_text
from stspec.diff.fills import examples, shares
from stspec.diff.model import Diff

_EXAMPLES = 110
"""Characters of example keys in a row."""


def render_page(diff: Diff) -> str:
    """Return a diff as an HTML page; every text is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(data_root() / "templates" / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("diff.html.j2").render(_context(diff))


def _context(diff: Diff) -> dict[str, Any]:
    return {
        "a": diff.a.label,
        "b": diff.b.label,
        "empty": diff.empty,
        "policy": diff.policy,
        "summary": diff.summary,
        "stages": diff.stages,
        "groups": diff.groups if diff.alike else (),
        "costs": [_cost(quantity) for quantity in diff.costs],
        "fills": [_fill(diff, back=False), _fill(diff, back=True)],
        "notes": NOTES,
    }


def _cost(quantity: Quantity) -> dict[str, Any]:
    change, ratio = change_text(quantity)
    return {
        "sign": sign_of(quantity).strip(),
        "title": quantity.title.strip(),
        "part": quantity.title.startswith(" "),
        "a": value_text(quantity, quantity.a),
        "b": value_text(quantity, quantity.b),
        "change": change,
        "ratio": ratio,
        "same": quantity.same,
    }


def _fill(diff: Diff, *, back: bool) -> dict[str, Any]:
    source, target = (diff.b, diff.a) if back else (diff.a, diff.b)
    rows = [
        {
            "sign": {"missing": "+", "left over": "-"}.get(how, ""),
            "how": how,
            "tensors": share.tensors,
            "elements": count_text(share.elements),
            "keys": examples(share.keys, _EXAMPLES),
        }
        for how, share in shares(diff.tensors, back=back).items()
    ]
    return {"source": source.label, "target": target.label, "rows": rows}
