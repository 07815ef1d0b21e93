"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="A model's name (tam_resnet50), a family's (tam), one of its variants "
        "(tam_resnet50_tp), or a YAML file (my.yaml, my.yaml:variant).",
        show_default=False,
    ),
]

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override a value of the spec, such as clip.frames=16. Repeatable.",
        show_default=False,
    ),
]

Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write to this file.", show_default=False),
]


class Kind(StrEnum):
    """What samples are made of."""

    VIDEO = "video"
    FRAMES = "frames"
    FLOW = "flow"


Root = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where the list's paths start.", show_default=False),
]
Classes = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Names of the list's classes, in order.", show_default=False),
]
SampleKind = Annotated[
    Kind | None, typer.Option("--kind", help="What samples are made of.", show_default=False)
]
Template = Annotated[
    str | None,
    typer.Option(help="A frame's file: img_{:05d}.jpg, {axis}_{:05d}.jpg.", show_default=False),
]
First = Annotated[
    int | None,
    typer.Option("--start", help="Number of the first frame's file.", show_default=False),
]
ListForm = Annotated[
    str | None,
    typer.Option("--form", help="The list's form, where the guess is wrong.", show_default=False),
]
Separator = Annotated[
    str | None, typer.Option(help="space, comma, tab or semicolon.", show_default=False)
]


def refuse_given(context: typer.Context, names: Collection[str], why: str) -> None:
    """Refuse options that a command line gives though nothing would heed them.

    Raises:
        typer.BadParameter: if the user wrote one of these parameters.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            hint = next((text for text in parameter.opts if text[0] == "-"), parameter.metavar)
            raise typer.BadParameter(why, param_hint=hint)
