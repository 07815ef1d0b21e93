"""Options that commands of `stspec study` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StoreOption = Annotated[
    Path, typer.Option("--store", metavar="DIR", help="Where plans and runs lie, of all studies.")
]
STORE = Path("studies")

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
