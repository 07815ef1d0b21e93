"""`stspec study compare`: one run against another, or one choice against another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from stspec.cli.study.options import Study

if TYPE_CHECKING:
    from stspec.cli.screen import Paint
    from stspec.study.compare import Versus
    from stspec.study.findings import Comparison
    from stspec.study.records import Facets
    from stspec.study.statistics import Interval

_LABEL = 14
_MOST_PAIRS = 20


def compare(
    a: Annotated[
        str,
        typer.Argument(metavar="A", help="A run's folder, a file of predictions (.npz), or of a "
                       "store a run's name, its key, or facets: policy=tsn,frames=8.",
                       show_default=False),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.", show_default=False)],
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="STORE", help="Where names and facets are looked up: a "
                     "folder, or published:NAME.", show_default="studies"),
    ] = None,
    study: Study = None,
    most: Annotated[
        int, typer.Option("--classes", min=0, help="Classes that are shown of each kind.")
    ] = 5,
    draws: Annotated[
        int, typer.Option("--draws", min=100, max=100_000, help="Resamples of an interval.")
    ] = 2000,
    json: Annotated[bool, typer.Option("--json", help="Print all as JSON.")] = False,
) -> None:  # fmt: skip
    """Tell what B has more than A: accuracy with its interval, classes, costs, the specs' diff.

    Intervals are of a paired bootstrap over videos, and over seeds where there are several; the
    p-value is of McNemar's test, after Holm's correction where several pairs are compared.
    """
    import json as js
    from pathlib import Path

    from stspec.cli.screen import paint, remark, width, write
    from stspec.study.compare import versus

    if store is None and Path("studies").is_dir():
        store = "studies"
    found = versus(a, b, store, study=study, draws=draws, say=remark)
    if json:
        write(js.dumps(found.to_json(), indent=1, ensure_ascii=False))
        return
    write("\n".join(_lines(found, most, width(), paint())))


def _lines(found: Versus, most: int, room: int, ink: Paint) -> Iterator[str]:
    from stspec.cli.screen import paragraph

    yield ink(paragraph(f"A  {found.a}", room), "bold")
    yield ink(paragraph(f"B  {found.b}", room), "bold")
    for data, difference in found.differences.items():
        yield ""
        if len(found.differences) > 1:
            yield ink(data, "bold")
        yield from _accuracy(found.top1[data], difference, room)
        if len(found.pairs) == 1:
            yield from _test(found.pairs[0], room)
        yield from _classes(found, data, most, room)
    yield from _costs(found)
    if len(found.pairs) > 1:
        yield from _pairs(found, room, ink)
    yield from _choices(found, room)
    for note in found.notes:
        yield paragraph(f"note: {note}", room)


def _row(label: str, text: str, room: int = 0) -> str:
    """Return a label and what belongs to it, which is broken into lines where there is no room."""
    import textwrap

    lines = textwrap.wrap(text, room - _LABEL, break_on_hyphens=False) if room else [text]
    return f"{label:<{_LABEL}}" + ("\n" + " " * _LABEL).join(lines)


def _accuracy(top1: tuple[float, float], difference: Interval, room: int) -> Iterator[str]:
    a, b = (f"{100 * share:.2f} %" for share in top1)
    yield _row("top-1", f"A {a}, B {b}")
    text = f"{100 * difference.estimate:+.2f} points"
    if difference.low is not None and difference.high is not None:
        text += (
            f", {difference.level:.0%} interval {100 * difference.low:+.2f} to "
            f"{100 * difference.high:+.2f}"
        )
    yield _row("difference", text)
    if difference.videos:
        yield _row("stands on", f"{difference.videos} videos, {difference.seeds_text}")
    if difference.seeds == 1:
        told = "the interval tells what other videos would change, not what another seed would"
        if difference.videos:
            yield _row("", told, room)


def _test(pair: Comparison, room: int) -> Iterator[str]:
    test = pair.mcnemar
    if test is not None:
        yield _row(
            "McNemar", f"p = {test.exact:.3g} (exact), {test.corrected:.3g} (with continuity)"
        )
        told = f"only A has {test.only_a} videos right, only B {test.only_b}"
        yield _row("", told, room)
    elif pair.p is not None:
        yield _row("bootstrap", f"p = {pair.p:.3g}")


def _classes(found: Versus, data: str, most: int, room: int) -> Iterator[str]:
    from stspec.cli.screen import shorten
    from stspec.diagnostics.cells import printable

    told = found.classes.get(data, ())
    gains = [each for each in told if each.change > 0][:most]
    losses = [each for each in reversed(told) if each.change < 0][:most]
    for label, classes in (("gains", gains), ("losses", losses)):
        for i, each in enumerate(classes):
            tail = f"{100 * each.change:+7.1f}  of {each.videos} videos"
            name = shorten(printable(each.name), room - _LABEL - len(tail) - 2)
            yield _row(label if not i else "", f"{name:<{min(44, room - _LABEL - 24)}}  {tail}")


def _costs(found: Versus) -> Iterator[str]:
    from stspec.cli.screen import short

    if found.params is not None and found.macs is not None:
        yield ""
        for label, (a, b) in (("params", found.params), ("MACs", found.macs)):
            change = f" ({100 * (b - a) / a:+.1f} %)" if a else ""
            yield _row(label, f"A {short(a)}, B {short(b)}{change}")


def _pairs(found: Versus, room: int, ink: Paint) -> Iterator[str]:
    from stspec.cli.screen import RIGHT, Column, table

    rows = []
    for pair in found.pairs[:_MOST_PAIRS]:
        low, high = pair.difference.low, pair.difference.high
        span = "" if low is None or high is None else f"{100 * low:+.1f} to {100 * high:+.1f}"
        p = "" if pair.adjusted is None else f"{pair.adjusted:.3g}"
        gain = f"{100 * pair.difference.estimate:+.2f}"
        rows.append((pair.b.data, _shared(pair.a, pair.b), gain, span, p))
    columns = [
        Column("data", shrinks=True), Column("of the models", shrinks=True),
        Column("points", RIGHT), Column("95 %", RIGHT), Column("p (Holm)", RIGHT),
    ]  # fmt: skip
    kept = [i for i in range(5) if i < 3 or any(row[i] for row in rows)]
    yield ""
    yield table([columns[i] for i in kept], [[row[i] for i in kept] for row in rows], room, ink)
    left = len(found.pairs) - len(rows)
    if left:
        yield f"and {left} more pairs: --json has them"
    if found.unmatched:
        yield f"{found.unmatched} models have no partner that is otherwise equal"


def _shared(a: Facets, b: Facets) -> str:
    """Return what two models have in common: how they differ both sides say by themselves."""
    parts = {
        "policy": a.policy,
        "head": a.head,
        "backbone": a.backbone,
        "temporal_pooling": "pooled" if a.temporal_pooling else "",
        "frames": f"{a.frames} frames",
        "sampling": "" if a.sampling == "uniform" else a.sampling,
    }
    same = [text for name, text in parts.items() if getattr(a, name) == getattr(b, name)]
    return ", ".join(filter(None, same))


def _choices(found: Versus, room: int) -> Iterator[str]:
    """Tell what the two were made of: in the field's words where specs are there."""
    if found.diff is not None:
        facets = [each for each in found.diff.policy if not each.same]
        yield ""
        for facet in facets:
            yield _row(facet.title, f"{facet.a} → {facet.b}", room)
        yield _row("structure", found.diff.summary)
    elif found.settings:
        yield ""
        yield from _settings(found.settings, room)


def _settings(settings: Mapping[str, tuple[object, object]], room: int) -> Iterator[str]:
    for name, (a, b) in settings.items():
        yield _row(name, f"{a} → {b}", room)
