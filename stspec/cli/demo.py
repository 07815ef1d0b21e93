"""`stspec demo`: what a temporal module is worth, seen in minutes on clips that are made for it."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stspec.evaluate.predictions import Predictions

MODELS = ("tsn_motions", "tam_motions")
EPOCHS = 8
"""As many as TAM needs; the recipe has more."""


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where clips and runs go.")
    ] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Of weights, order and dropout.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that read videos; one a core.", show_default=False),
    ] = None,
) -> None:
    """Show what a temporal module is worth.

    Makes a data set of small H.264 clips, in which most classes come in pairs that differ in the
    order of frames alone, and trains TSN and TAM on it, a quarter-width ResNet18 each: a few
    minutes on two cores. What is there already is not made again.
    """
    from stspec.cli.screen import write
    from stspec.data.motions import make_motions

    clips = folder / "clips"
    write(f"making clips of motions in {clips}")
    make_motions(clips)
    found = {}
    for name in MODELS:
        write(f"\ntraining {name}")
        found[name] = _tested(_trained(name, clips, folder / f"{name}-{seed}", seed, workers))
    write("\n" + _table(found))


def _trained(name: str, clips: Path, folder: Path, seed: int, workers: int | None) -> Path:
    """Train a model, or let its run go on; return the run's folder."""
    from stspec.cli.screen import write
    from stspec.train.recipe import load_recipe
    from stspec.train.run import train

    if (folder / "metrics.json").is_file():
        write(f"{folder} is complete")
    elif (folder / "run.json").is_file():
        train(resume=folder, workers=workers)
    else:
        recipe = load_recipe("motions", [("epochs", EPOCHS)])
        train(name, clips, recipe=recipe, run=folder, seed=seed, workers=workers)
    return folder


def _tested(run: Path) -> Predictions:
    """Return a run's predictions on its own validation clips."""
    from stspec.api.videos import evaluate

    return evaluate(run, batch=32, workers=0, device="cpu")


def _table(found: dict[str, Predictions]) -> str:
    """Return accuracies over the classes of pairs and over the others, a model a row."""
    from stspec.cli.screen import RIGHT, Column, paint, table, width
    from stspec.data.motions import PAIRS, STILL
    from stspec.network import load

    moving = frozenset(name for pair in PAIRS for name in pair)
    columns = [
        Column("model"), Column("params", RIGHT), Column("order of frames", RIGHT),
        Column("single frame", RIGHT), Column("all", RIGHT),
    ]  # fmt: skip
    rows = [
        [
            load(name).spec.model.title or name,
            f"{load(name).facts.params / 1e3:.0f} k",
            *(f"{100 * _accuracy(one, group):.1f} %" for group in (moving, frozenset(STILL))),
            f"{100 * _accuracy(one, moving | set(STILL)):.1f} %",
        ]
        for name, one in found.items()
    ]
    pairs = "; ".join(f"{a} / {b}" for a, b in PAIRS)
    told = [
        "order of frames: accuracy over classes that come in pairs, one the other played "
        f"backwards ({pairs}), where a model that sees no order tosses a coin",
        f"single frame: over classes that one frame tells ({', '.join(STILL)})",
    ]
    return "\n".join(
        [
            table(columns, rows, width(), paint()),
            *(textwrap.fill(text, width()) for text in told),
        ]
    )


def _accuracy(found: Predictions, group: frozenset[str]) -> float:
    """Return the share of a group's videos whose first class is right."""
    kept = [
        scores.argmax() == labels[0]
        for scores, labels in zip(found.fused, found.labels, strict=True)
        if found.classes[labels[0]] in group
    ]
    return sum(map(bool, kept)) / len(kept)
