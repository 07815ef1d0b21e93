"""Arguments and options that commands of `stspec study` share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

StudyTarget = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="A study's name (quick), or a YAML file.", show_default=False
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override a key of the study (grid.seed=[0,1]), or a setting of all runs "
        "(recipe.epochs=2, clip.size=112). Repeatable.",
        show_default=False,
    ),
]
Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="NAME=DIR",
        help="Where a data set of the study lies; DIR alone where it has but one. Repeatable.",
        show_default=False,
    ),
]
StoreOption = Annotated[
    Path, typer.Option("--store", metavar="DIR", help="Where plans and runs lie, of all studies.")
]
STORE = Path("studies")
Study = Annotated[
    str | None,
    typer.Option("--study", metavar="NAME", help="Of this study of the store alone.",
                 show_default=False),
]  # fmt: skip

Retries = Annotated[int, typer.Option(min=0, help="Attempts after one that failed.")]
Readers = Annotated[
    int | None,
    typer.Option(
        min=0, help="Processes that read videos, of each worker; by its cores.", show_default=False
    ),
]
Device = Annotated[
    str | None, typer.Option(help="cpu or cuda; the GPU, if any.", show_default=False)
]
Beat = Annotated[
    float,
    typer.Option(
        min=0.05, help="Seconds between signs of life; after 8 missed a worker is taken for dead."
    ),
]


def by_name(data: Iterable[str] | None) -> dict[str, str]:
    """Return places by the names of data sets; under "" one that has no name."""
    found = {}
    for text in data or ():
        name, equals, path = text.partition("=")
        found[name if equals else ""] = path if equals else text
    return found
