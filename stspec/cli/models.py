"""A trained model on the command line: what `eval`, `predict` and `features` have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from torch import nn

    from stspec.evaluate.model import Model
    from stspec.evaluate.testing import Testing
    from stspec.network import Network


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


@dataclass(frozen=True)
class Tested:
    """A model, and how it looks at videos."""

    model: Model
    testing: Testing


def open_tested(
    target: str,
    weights: Path | None,
    sets: list[str] | None,
    importer: str | None,
    recipe: str | None,
    views: str | None,
    *,
    classes: int | None = None,
    needed: Callable[[Network, nn.Module], set[str]] | None = None,
    sampling: StrEnum | None = None,
    stride: int | None = None,
    size: int | None = None,
    fuse: StrEnum | None = None,
    by: StrEnum | None = None,
) -> Tested:
    """Open a model and its protocol of testing: the recipe's, with what is given in its place.

    Raises:
        SpecError: if either is wrong.
    """
    from stspec.evaluate.model import open_model
    from stspec.evaluate.testing import Testing
    from stspec.evaluate.views import Views
    from stspec.train.recipe import DEFAULT, load_recipe
    from stspec.train.videos import augmentation

    seen = Views.parse(views) if views is not None else None
    model = open_model(
        target, weights, sets or (), importer=importer, classes=classes, needed=needed
    )
    own = str(model.run.intact("recipe.yaml")) if model.run is not None else DEFAULT
    changes: dict[str, Any] = {
        "test.clips": seen and seen.clips, "test.crops": seen and seen.crops,
        "test.sampling": plain(sampling), "test.size": size, "test.fuse": plain(fuse),
        "test.by": plain(by), "data.stride": stride,
    }  # fmt: skip
    given = [(path, value) for path, value in changes.items() if value is not None]
    found = load_recipe(recipe or own, given)
    mean, std = found.data.statistics(model.network.spec.model.clip.channels)
    seeing = augmentation(found, model.network, ())
    return Tested(
        model, Testing(seeing, tuple(mean), tuple(std), found.test.fuse, found.test.by)
    )  # fmt: skip


def class_names(model: Model, file: Path | None) -> tuple[str, ...]:
    """Return the names of the classes; numbers where nothing tells them.

    Raises:
        SpecError: if a file of names does not fit the model.
    """
    from stspec.evaluate.model import check_classes, read_classes

    if file is not None:
        names = read_classes(file)
        check_classes(model, names, str(file))
        return names
    scores = model.network.facts.output.channels
    names = model.classes or ()
    return names if len(names) == scores else tuple(f"class {n}" for n in range(scores))


def plain(value: StrEnum | None) -> str | None:
    """Return the text of a choice."""
    return None if value is None else value.value
