"""A trained model on the command line: what `eval`, `predict` and `features` have in common."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Sampling(StrEnum):
    """How frames are chosen in testing."""

    UNIFORM = "uniform"
    DENSE = "dense"
    TSN = "tsn"
    TSM = "tsm"
    VMZ = "vmz"


class Precision(StrEnum):
    """In what numbers a network computes."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


ModelOption = Annotated[
    str,
    typer.Option(
        "-m", "--model", metavar="RUN_OR_SPEC", help="A run's folder, or a spec with --weights.",
        show_default=False,
    ),
]  # fmt: skip
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights", metavar="FILE", help="A checkpoint, or another run; a run's own by default.",
        show_default=False,
    ),
]  # fmt: skip
Importer = Annotated[
    str | None,
    typer.Option("--importer", metavar="NAME", help="The code base that the weights are from."),
]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe", metavar="NAME", help="How videos are tested: a recipe's name or file.",
        show_default="the run's, or study2021",
    ),
]  # fmt: skip
ViewsOption = Annotated[
    str | None,
    typer.Option("--views", metavar="CLIPSxCROPS", help="1x1: clip level; 10x1, 10x3: video."),
]
SamplingOption = Annotated[
    Sampling | None, typer.Option("--sampling", help="How frames are chosen.", show_default=False)
]
Stride = Annotated[
    int | None, typer.Option("--stride", min=1, help="Frames between frames of dense clips.")
]
Size = Annotated[int | None, typer.Option("--size", min=1, help="Side of a crop in pixels.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Clips at once.")]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Processes that read videos.")]
Device = Annotated[str | None, typer.Option("--device", help="cpu or cuda.", show_default=False)]
PrecisionOption = Annotated[Precision, typer.Option("--precision", help="Of products.")]


def plain(**choices: StrEnum | None) -> dict[str, Any]:
    """Return the texts of the choices that were made, by name."""
    return {name: None if value is None else value.value for name, value in choices.items()}
