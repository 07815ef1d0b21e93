"""A diff as text for a terminal: policy, structure, cost, checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stspec.diff.costs import NOTES, Quantity
from stspec.diff.figures import change_text, count_text, plural, sign_of, value_text
from stspec.diff.fills import Share, examples, shares
from stspec.diff.groups import Group
from stspec.diff.layout import Cell, Page, Tone, fit, wrap
from stspec.diff.model import Diff

MOST_GROUPS = 16
"""Kinds of edit that are shown; the JSON has all."""

_NARROWEST = 60
_WIDEST = 160
_TITLE = 16
_COVERAGE = 24
_SIGNS: dict[str, Tone] = {"+": "green", "-": "red", "~": "yellow", "": "", " ": ""}


def render_terminal(
    diff: Diff, width: int = 80, *, color: bool = False, unicode: bool = True
) -> str:
    """Return a diff as text.

    Args:
        diff: what to tell.
        width: columns of the terminal; between 60 and 160 are used.
        color: whether to write ANSI colours.
        unicode: whether rules, arrows and dashes can be shown.
    """
    page = Page(max(_NARROWEST, min(width, _WIDEST)), color, unicode)
    return "\n".join(page.plain(line) for line in _lines(diff, page))


def _lines(diff: Diff, page: Page) -> Iterator[str]:
    for line in wrap(f"{diff.a.label} → {diff.b.label}", page.width):
        yield page.paint(line, "bold")
    yield page.rule()
    if diff.empty:
        yield "no difference"
        return
    yield from _policy(diff, page)
    yield ""
    yield from _structure(diff, page)
    yield ""
    yield from _cost(diff, page)
    yield ""
    yield from _checkpoints(diff, page)
    yield page.rule()
    for line in wrap(" ".join(NOTES), page.width):
        yield page.paint(line, "dim")


def _halves(page: Page, rows: Sequence[tuple[str, str]]) -> tuple[int, ...]:
    """Return the columns of a comparison: sign, title, a, b."""
    wanted = [max(len(row[side]) for row in rows) for side in (0, 1)]
    return (1, _TITLE, *fit(wanted, page.width - _TITLE - 6))


def _policy(diff: Diff, page: Page) -> Iterator[str]:
    rows = [(diff.a.label, diff.b.label), *((f.a, f.b) for f in diff.policy if not f.same)]
    widths = _halves(page, rows)
    head = [Cell(""), Cell("POLICY", "bold"), *(Cell(text, "bold") for text in rows[0])]
    yield from page.row(head, widths)
    for facet in diff.policy:
        if facet.same:
            both = [Cell(""), Cell(facet.title, "dim"), Cell(facet.a, "dim")]
            yield from page.row(both, (1, _TITLE, page.width - _TITLE - 4))
        else:
            cells = [_sign("~"), Cell(facet.title), Cell(facet.a), Cell(facet.b)]
            yield from page.row(cells, widths)


def _structure(diff: Diff, page: Page) -> Iterator[str]:
    head = [Cell(""), Cell("STRUCTURE", "bold"), Cell(diff.summary, "dim")]
    yield from page.row(head, (1, _TITLE, page.width - _TITLE - 4))
    if diff.stages:
        yield from _stages(diff, page)
    if diff.alike:
        yield from _groups(diff, page)


def _stages(diff: Diff, page: Page) -> Iterator[str]:
    widths = _halves(page, [(stage.a, stage.b) for stage in diff.stages])
    for stage in diff.stages:
        title = f"stage {stage.number}"
        if stage.a == stage.b:
            both = [Cell(""), Cell(title, "dim"), Cell(stage.a, "dim")]
            yield from page.row(both, (1, _TITLE, page.width - _TITLE - 4))
        else:
            cells = [_sign("~"), Cell(title), Cell(stage.a), Cell(stage.b)]
            yield from page.row(cells, widths)


def _groups(diff: Diff, page: Page) -> Iterator[str]:
    shown, rest = diff.groups[:MOST_GROUPS], diff.groups[MOST_GROUPS:]
    room = page.width - _TITLE - 6
    widest = max((len(group.where) for group in shown), default=0)
    where = min(widest, max(_COVERAGE, room // 3))
    text = min(room - where, max((len(g.text) for g in shown if g.where), default=0))
    for group in shown:
        yield from _group(group, page, (text, where))
    if rest:
        sites = sum(len(group.sites) for group in rest)
        yield page.paint(f"  and {plural(len(rest), 'further kind')} in {sites} places", "dim")


def _group(group: Group, page: Page, widths: tuple[int, int]) -> Iterator[str]:
    cells = [_sign(group.sign), Cell(group.subject), Cell(group.text)]
    if group.where:
        cells.append(Cell(group.where, "dim"))
        yield from page.row(cells, (1, _TITLE, *widths))
    else:
        yield from page.row(cells, (1, _TITLE, page.width - _TITLE - 4))


def _sign(sign: str) -> Cell:
    return Cell(sign, _SIGNS[sign])


def _cost(diff: Diff, page: Page) -> Iterator[str]:
    title = min(24, page.width - 48)
    room = (page.width - title - 26) // 2
    number = min(room, max(13, len(diff.a.label), len(diff.b.label)))
    widths = (1, title, number, number, 12, 8)
    head = [
        Cell(""),
        Cell("COST", "bold"),
        *(Cell(side.label, "bold", True) for side in (diff.a, diff.b)),
        Cell("change", "bold", True),
        Cell(""),
    ]
    yield from page.row(head, widths, 1)
    for quantity in diff.costs:
        yield from page.row(_quantity(quantity), widths, 1)


def _quantity(quantity: Quantity) -> list[Cell]:
    change, ratio = change_text(quantity)
    tone: Tone = "dim" if quantity.same else ""
    return [
        # More is neither good nor bad: the sign has no colour here.
        Cell(sign_of(quantity)),
        Cell(quantity.title, tone),
        Cell(value_text(quantity, quantity.a), tone, True),
        Cell(value_text(quantity, quantity.b), tone, True),
        Cell(change, tone, True),
        Cell(ratio, tone, True),
    ]


def _checkpoints(diff: Diff, page: Page) -> Iterator[str]:
    if all(tensor.same for tensor in diff.tensors):
        total = plural(len(diff.tensors), "tensor")
        yield page.paint("  CHECKPOINTS", "bold") + f"       either fills the other: {total}"
        return
    yield page.paint("  CHECKPOINTS", "bold")
    yield from _fill(diff, page, back=False)
    yield from _fill(diff, page, back=True)


def _fill(diff: Diff, page: Page, *, back: bool) -> Iterator[str]:
    source, target = (diff.b, diff.a) if back else (diff.a, diff.b)
    yield f"  {source.label} fills {target.label}"
    for fate, share in shares(diff.tensors, back=back).items():
        yield from _share(fate, share, page)


def _share(fate: str, share: Share, page: Page) -> Iterator[str]:
    widths = (1, 20, 11, 9)
    room = page.width - sum(widths) - 9
    sign = {"missing": "+", "left over": "-"}.get(fate, "")
    cells = [
        _sign(sign),
        Cell("  " + fate),
        Cell(plural(share.tensors, "tensor"), right=True),
        Cell(count_text(share.elements), right=True),
        Cell(examples(share.keys, room), "dim"),
    ]
    yield from page.row(cells, (*widths, room))


__all__ = ["MOST_GROUPS", "render_terminal"]
