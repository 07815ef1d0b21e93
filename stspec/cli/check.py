"""`stspec check`: is a spec right?"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stspec.cli.options import Set
from stspec.cli.screen import paint, remark, short, shorten, width, write

if TYPE_CHECKING:
    from stspec.diagnostics import Diagnostic
    from stspec.network import Network


BESIDE = 51
"""Columns that stand beside a name: costs, and a clip as large as they come."""


class Format(StrEnum):
    """How mistakes are told."""

    TERMINAL = "terminal"
    JSON = "json"
    GITHUB = "github"


def check(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET...", help="Names or YAML files.", show_default=False),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Check every shipped spec and every variant.")
    ] = False,
    sets: Set = None,
    format: Annotated[Format, typer.Option("--format", help="How mistakes are told.")] = (
        Format.TERMINAL
    ),
) -> None:
    """Check specs: names, types, rules and shapes.

    All mistakes are told at once; a file is checked with all its variants.

    Exit status 0: right; 2: wrong.
    """
    from stspec.diagnostics import SpecError
    from stspec.network import load
    from stspec.passes.outsiders import outsiders

    names = _with_variants(_names(targets or [], everything))
    room = min(max(len(name) for name in names), max(24, width() - BESIDE))
    found: list[Diagnostic] = []
    for name in names:
        try:
            network = load(name, sets or ())
            if outsiders(network.facts):
                network.emit()  # what their templates define may clash
        except SpecError as error:
            found.extend(error.diagnostics)
            continue
        if format is Format.TERMINAL:
            write(_line(name, network, room))
    if format is Format.JSON:
        from stspec.diagnostics.render import render_json

        write(render_json(dict.fromkeys(found)))
    elif found and format is Format.GITHUB:
        from stspec.diagnostics.render import render_github

        write(render_github(dict.fromkeys(found)))
    elif found:
        raise SpecError(*dict.fromkeys(found))
    elif format is Format.TERMINAL and len(names) > 1:
        remark(f"{len(names)} specs are right")
    if found:
        raise typer.Exit(2)


def _names(targets: list[str], everything: bool) -> list[str]:
    if everything:
        from stspec.compose import index

        return list(dict.fromkeys([*index(), *targets]))
    if not targets:
        raise typer.BadParameter("name a spec, or ask for --all", param_hint="TARGET...")
    return list(dict.fromkeys(targets))


def _with_variants(names: list[str]) -> list[str]:
    """Return the names, each file followed by those of its variants that are not named anyway."""
    from stspec.compose.locate import is_path, variant_names
    from stspec.diagnostics import SpecError

    found: dict[str, None] = {}
    for name in names:
        found[name] = None
        if not is_path(name):
            continue
        try:
            found.update(dict.fromkeys(f"{name}:{row}" for row in variant_names(Path(name))))
        except SpecError:
            continue  # the file itself is checked, and tells why
    return list(found)


def _line(name: str, network: Network, room: int) -> str:
    facts = network.facts
    macs = short(sum(facts.macs().values()), "MACs")
    clip = "x".join(map(str, facts.input.dims))
    text = f"{short(facts.params):>9}  {macs:>12}  {clip} to {facts.output.channels}"
    ink = paint()
    left = width() - max(len(name), room) - 6
    return f"{ink('ok', 'green')}  {name:<{room}}  {shorten(text, max(20, left))}"
