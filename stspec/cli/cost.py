"""`stspec cost`: parameters, MACs, activations and receptive fields."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stspec.cli.options import Set, Target

if TYPE_CHECKING:
    from stspec.analysis.report import Line, Report


class Per(StrEnum):
    """What one row is."""

    NODE = "node"
    STAGE = "stage"
    TOTAL = "total"


class Format(StrEnum):
    """How costs are told."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Count(StrEnum):
    """What counts as a MAC."""

    ALL = "all"
    CONV = "conv"
    FVCORE = "fvcore"
    FVCORE_EVAL = "fvcore_eval"


def cost(
    target: Target,
    sets: Set = None,
    per: Annotated[Per, typer.Option("--per", help="What one row is.")] = Per.STAGE,
    format: Annotated[Format, typer.Option("--format", help="How costs are told.")] = Format.TABLE,
    count: Annotated[
        Count,
        typer.Option(
            "--count",
            help="What counts. all: MACs of convolutions, linear layers and matrix products; "
            "conv: MACs of convolutions alone; fvcore: what fvcore 0.1.5 counts in training mode, "
            "which is all plus 5 per element of a batch norm; fvcore_eval: in evaluation mode, "
            "plus 2 (for an AdaptiveAvgPool2d, which our models replace by a mean, it adds 1 per "
            "input element).",
        ),
    ] = Count.ALL,
) -> None:
    """Count parameters, MACs, memory, receptive fields.

    Costs are those of one clip.

    One multiply-accumulate counts once; most papers call it a FLOP. Biases, activations and
    pooling count nothing. Memory is that of the outputs of all operators, in float32.
    """
    from stspec.analysis.report import report
    from stspec.network import load

    found = report(load(target, sets or ()), per.value, count.value)
    _print(found, format)


def _print(found: Report, format: Format) -> None:
    from stspec.cli import screen

    if format is Format.JSON:
        screen.write(found.json())
    elif format is Format.CSV:
        screen.write(found.csv())
    else:
        screen.write(_table(found))


def _table(found: Report) -> str:
    from stspec.cli.screen import RIGHT, Column, heading, paint, table, width

    total = found.lines[-1]
    columns = [
        Column(found.per if found.per != "total" else "model", shrinks=True),
        Column("CxTxHxW"),
        Column("M params", RIGHT),
        Column("G flops" if found.count.startswith("fvcore") else "GMACs", RIGHT),
        Column("MiB", RIGHT),
        Column("time", RIGHT),
        Column("space", RIGHT),
    ]
    cells = [_cells(line, total) for line in found.lines]
    ink = paint()
    last = cells.pop() if found.per != "total" else None
    text = table(columns, cells, width(), ink, last)
    title = heading(found.name, f"  {found.about}", width(), ink)
    return f"{title}\n\n{text}\n\n{ink(_NOTE, 'dim')}"


_NOTE = (
    "MiB: outputs of all operators, one clip, float32\n"
    "time, space: receptive field / stride in frames and pixels of the clip"
)


def _cells(line: Line, total: Line) -> tuple[str, ...]:
    return (
        line.label,
        line.output,
        _scaled(line.params, total.params, 1e6),
        _scaled(line.macs, total.macs, 1e9),
        f"{line.activation_bytes / 2**20:.1f}",
        _reach(line.time_rf, line.time_stride),
        _reach(line.space_rf, line.space_stride),
    )


def _scaled(value: int, total: int, unit: float) -> str:
    """Return a number in a unit, with digits enough for a share of the total."""
    return f"{value / unit:.{2 if total >= 10 * unit else 3}f}"


def _reach(field: int | None, stride: int) -> str:
    return f"{'all' if field is None else field}/{stride}"
