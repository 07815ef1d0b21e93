"""`stspec study order`: what a trained model makes of frames in another order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stspec.cli.evaluate import Split
from stspec.cli.models import Batch, Device, ViewsOption, Weights, Workers, plain

if TYPE_CHECKING:
    from stspec.study.frame_order import OrderTest


def order(
    target: Annotated[
        str,
        typer.Argument(metavar="RUN_OR_SPEC", help="A run's folder, or a spec with --weights.",
                       show_default=False),
    ],
    weights: Weights = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR_OR_LIST", help="Videos with labels; a run's own by "
                     "default.", show_default=False),
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="Of a folder of data.")] = Split.VAL,
    views: ViewsOption = None,
    batch: Batch = 8,
    workers: Workers = 2,
    device: Device = None,
    json: Annotated[bool, typer.Option("--json", help="Print all as JSON.")] = False,
) -> None:  # fmt: skip
    """Tell what reversed, shuffled and frozen frames do to a trained model's accuracy.

    A model that sees frames apart is as accurate on shuffled frames as on frames in order; one
    that uses motion is not. `stspec eval --frames-order` keeps the predictions of one order.
    """
    import json as js
    from dataclasses import asdict

    from stspec.cli.screen import remark, write
    from stspec.study.frame_order import frame_order_test

    found = frame_order_test(
        target, data, say=remark, weights=weights, views=views, batch=batch, workers=workers,
        device=device, **plain(split=split),
    )  # fmt: skip
    if json:
        write(js.dumps({**asdict(found), "uses_order": found.uses_order}, indent=1))
        return
    write(_told(found))


def _told(found: OrderTest) -> str:
    from stspec.cli.screen import RIGHT, Column, paint, paragraph, table, width

    columns = [
        Column("frames"), Column("top-1 %", RIGHT), Column("points", RIGHT),
        Column("95 % interval", RIGHT), Column("p (Holm)", RIGHT), Column("changed %", RIGHT),
    ]  # fmt: skip
    rows = [("as they are", f"{100 * found.top1:.2f}", "", "", "", "")]
    for each in found.effects:
        low, high = each.difference.low or 0.0, each.difference.high or 0.0
        rows.append((
            each.order, f"{100 * each.top1:.2f}", f"{100 * each.difference.estimate:+.2f}",
            f"{100 * low:+.2f} to {100 * high:+.2f}", f"{each.adjusted:.3g}",
            f"{100 * each.changed:.1f}",
        ))  # fmt: skip
    moved = max((each.moved for each in found.effects if each.order != "frozen"), default=0.0)
    said = (
        f"{found.videos} videos. The order of frames changes a probability by up to {moved:.2g}: "
        + ("it is used." if found.uses_order else "no more than rounding; it is not used.")
    )
    return table(columns, rows, width(), paint()) + "\n" + paragraph(said, width())
