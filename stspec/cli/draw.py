"""`stspec draw`: a model as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stspec.cli.options import Set, Target
from stspec.cli.screen import paint, remark, width, write


def draw(
    target: Target,
    sets: Set = None,
    svg: Annotated[
        Path | None,
        typer.Option("--svg", metavar="FILE", help="Write the figure as SVG.", show_default=False),
    ] = None,
) -> None:
    """Draw a model: its stages, and the inside of a block.

    What the policy inserted or converted is set off.
    """
    from stspec.analysis import draw
    from stspec.network import load

    figure = draw.figure(load(target, sets or ()))
    if svg is not None:
        from stspec.diagnostics import display_path
        from stspec.output import write_output

        write_output(svg, draw.svg(figure))
        remark(f"wrote {display_path(svg)}")
        return
    ink = paint()
    styles = {"plain": (), "changed": ("cyan",), "inserted": ("yellow", "bold")}
    write(draw.terminal(figure, width(), lambda text, level: ink(text, *styles[level])))
