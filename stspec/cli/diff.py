"""`stspec diff`: how two models differ."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stspec.cli.options import Output, Set
from stspec.cli.screen import has_colour, remark, width, write

if TYPE_CHECKING:
    from stspec.diff import Diff


class Format(StrEnum):
    """How differences are told."""

    TERMINAL = "terminal"
    JSON = "json"
    HTML = "html"


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A model's name, or a YAML file.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    sets: Set = None,
    set_a: Annotated[
        list[str] | None,
        typer.Option("--set-a", metavar="PATH=VALUE", help="Override a value of A alone.",
                     show_default=False),
    ] = None,
    set_b: Annotated[
        list[str] | None,
        typer.Option("--set-b", metavar="PATH=VALUE", help="Override a value of B alone.",
                     show_default=False),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option("--backbone", metavar="NAME", help="Put both on this backbone.",
                     show_default=False),
    ] = None,
    format: Annotated[
        Format, typer.Option("--format", help="How differences are told.")
    ] = Format.TERMINAL,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    output: Output = None,
    columns: Annotated[
        int | None,
        typer.Option("--width", metavar="COLUMNS", min=40, max=1000,
                     help="Columns to use; the terminal's.", show_default=False),
    ] = None,
) -> None:  # fmt: skip
    """Tell how two models differ: policy, structure, cost.

    First in the field's words, then node by node, then what it costs, and which tensors of one's
    checkpoint fill the other. Exit status 0: same; 1: different; 2: error.
    """
    from stspec.diff import diff as compare
    from stspec.network import load

    both = [*([f"backbone={backbone}"] if backbone else []), *(sets or ())]
    found = compare(load(a, [*both, *(set_a or ())]), load(b, [*both, *(set_b or ())]))
    text = _render(found, Format.JSON if as_json else format, columns or width(), output)
    if output is None:
        write(text)
    else:
        _save(output, text)
    if not found.empty:
        raise typer.Exit(1)


def _render(found: Diff, format: Format, columns: int, output: Path | None) -> str:
    if format is Format.JSON:
        from stspec.diff.report import render_json

        return render_json(found)
    if format is Format.HTML:
        from stspec.diff.page import render_page

        return render_page(found)
    from stspec.diff.terminal import render_terminal

    colour = output is None and has_colour(sys.stdout)
    return render_terminal(found, columns, color=colour)


def _save(output: Path, text: str) -> None:
    from stspec.diagnostics import display_path
    from stspec.output import write_output

    write_output(output, text.rstrip("\n") + "\n")
    remark(f"wrote {display_path(output)}")
