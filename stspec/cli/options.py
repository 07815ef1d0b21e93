"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer
from typer.core import TyperCommand

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


def no_such(value: str, names: Collection[str]) -> str:
    """Return the message that a value is none of the names, with the nearest of them."""
    from stspec.diagnostics import did_you_mean
    from stspec.diagnostics.cells import printable

    return f"there is no `{printable(value)}`; {did_you_mean(value, names)}"


class Command(TyperCommand):
    """A command that answers a value that is none of a few names with the nearest of them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; `ctx` is of click's or of typer's own copy of it.

        Raises:
            typer.BadParameter: if a value is wrong.
        """
        given = list(args)  # which parsing empties
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if error.param is not None and error.param.name:
                values, _, _ = self.make_parser(ctx).parse_args(given)
                hint = get_type_hints(self.callback)[error.param.name]
                error.message = _nearest(values.get(error.param.name), hint) or error.message
            raise


def _nearest(value: str | list[str] | None, hint: object) -> str | None:
    """Return what to say of a parameter's value; None where it is not of a few names."""
    names = list(_names(hint))
    given = [value] if isinstance(value, str) else value or []
    wrong = next((text for text in given if text not in names), None)
    return no_such(wrong, names) if names and wrong is not None else None


def _names(hint: object) -> Iterator[str]:
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        yield from hint
    for part in get_args(hint):
        yield from _names(part)
