"""`stspec verify`: hold the specs of a table to recorded reference outputs."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stspec.cli.screen import Paint, paint, remark, width, write

if TYPE_CHECKING:
    from stspec.reference.verify import Result


def verify(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="Which spec meets which oracle, and how.")
    ],
    oracles: Annotated[
        Path, typer.Option("--oracles", metavar="DIR", help="The folder of reference outputs.")
    ],
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Only these oracles.", show_default=False),
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Show every comparison, not failures alone.")
    ] = False,
) -> None:
    """Compare models with recorded reference outputs.

    Public weights are filled and imported, the model is run, keys, counts and logits compared.

    Exit status 0: all agree; 1: some do not; 2: error.
    """
    from stspec.reference.verify import verify_table

    ink = paint()
    good = bad = 0
    for result in verify_table(table, oracles, only or []):
        good, bad = good + result.ok, bad + (not result.ok)
        _tell(result, details, ink)
    remark(f"{good} of {good + bad} agree")
    if bad:
        raise typer.Exit(1)


def _tell(result: Result, details: bool, ink: Paint) -> None:
    write(f"{ink('ok  ', 'green') if result.ok else ink('FAIL', 'red')}  {result.name}")
    for check in result.checks:
        if details or not check.ok:
            mark = ink("ok", "green") if check.ok else ink("no", "red")
            head, *more = check.detail.splitlines() or [""]
            write(f"      {mark}  {check.name:<12}  {head}")
            for line in more:
                write(f"          {line}")
    if result.parts:
        for line in textwrap.wrap(result.parts, width() - 6):
            write(f"      {line}")
