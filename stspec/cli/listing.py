"""`stspec list`: what is there."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stspec.cli.screen import Column, Paint, paint, table, width, write

if TYPE_CHECKING:
    from stspec.compose.locate import Kind as Part


class Kind(StrEnum):
    """What can be listed."""

    MODELS = "models"
    POLICIES = "policies"
    BACKBONES = "backbones"
    OPS = "ops"
    BLOCKS = "blocks"
    HEADS = "heads"
    RECIPES = "recipes"


def listing(
    kind: Annotated[
        Kind | None, typer.Argument(metavar="[KIND]", help="|".join(Kind), show_default=False)
    ] = None,
    families: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FAMILY]...", help="Models of these, with all their variants."),
    ] = None,
) -> None:
    """List models by family, policies, backbones, ops, recipes."""
    from stspec.cli.families import listed

    if families and kind is not Kind.MODELS:
        raise typer.BadParameter("families go with `stspec list models`")
    ink = paint()
    lists = {Kind.MODELS: lambda room, ink: listed(families or [], room, ink), **_LISTS}
    write("\n\n".join(lists[each](width(), ink) for each in ([kind] if kind else Kind)))


def _policies(room: int, ink: Paint) -> str:
    return _parts("policy", room, ink)


def _backbones(room: int, ink: Paint) -> str:
    return _parts("backbone", room, ink)


def _parts(kind: Part, room: int, ink: Paint) -> str:
    from stspec.compose import find, names

    files = {name: find(kind, name) for name in names(kind)}
    return _files(kind, files, room, ink)


def _recipes(room: int, ink: Paint) -> str:
    from stspec.compose import data_root

    paths = sorted((data_root() / "specs" / "recipes").glob("*.yaml"))
    return _files("recipe", {path.stem: path for path in paths}, room, ink)


def _files(title: str, files: Mapping[str, Path], room: int, ink: Paint) -> str:
    """Return a table of YAML files with what each says that it is about."""
    from stspec.source import read_file, to_plain

    rows = []
    for name, path in files.items():
        about = read_file(path).get("about")
        rows.append((name, str(to_plain(about)) if about else ""))
    return table([Column(title), Column("about", shrinks=True)], rows, room, ink)


def _ops(room: int, ink: Paint) -> str:
    from stspec.ops.registry import OPS

    found = ((name, OPS.get(name)) for name in OPS.names())
    return _declared(
        "op", [(n, op.summary(), list(op.model_fields)) for n, op in found if op], room, ink
    )


def _blocks(room: int, ink: Paint) -> str:
    from stspec.blocks.registry import BLOCKS

    rows = [(name, block.summary(), list(block.model_fields)) for name, block in BLOCKS.items()]
    return _declared("block", sorted(rows), room, ink)


def _heads(room: int, ink: Paint) -> str:
    from stspec.blocks.heads import HEADS

    rows = [
        (name, head.summary(), [field for field in head.model_fields if field != "classes"])
        for name, head in HEADS.items()
    ]
    return _declared("head", rows, room, ink)


def _declared(title: str, rows: list[tuple[str, str, list[str]]], room: int, ink: Paint) -> str:
    """Return a table of declarations; their fields get a column where there is room."""
    if room < 110:
        return table(
            [Column(title), Column("about", shrinks=True)], [row[:2] for row in rows], room, ink
        )
    columns = [Column(title), Column("about"), Column("fields", shrinks=True)]
    half = room // 2 - 10
    cells = [(n, textwrap.shorten(about, half, placeholder="…"), keys) for n, about, keys in rows]
    return table(columns, [(n, about, ", ".join(keys)) for n, about, keys in cells], room, ink)


_LISTS: dict[Kind, Callable[[int, Paint], str]] = {
    Kind.POLICIES: _policies,
    Kind.BACKBONES: _backbones,
    Kind.OPS: _ops,
    Kind.BLOCKS: _blocks,
    Kind.HEADS: _heads,
    Kind.RECIPES: _recipes,
}
