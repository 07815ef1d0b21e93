"""`stspec lock`: keys and shapes of the shipped specs, as a file to diff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stspec.cli.screen import paint, remark, write

if TYPE_CHECKING:
    from stspec.analysis.lock import Change


def lock(
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; tell what has changed. 0 same, 1 changed."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The lock file.", show_default=False),
    ] = None,
) -> None:
    """Record keys and shapes of all shipped models.

    A changed key breaks checkpoints, so it is made knowingly: run this and commit the file.
    """
    from stspec.analysis.lock import compare, lock_text
    from stspec.cli.shipped import generated_folder
    from stspec.compose import index
    from stspec.diagnostics import display_path
    from stspec.network import load
    from stspec.output import write_output

    path = output or generated_folder() / "lock.json"
    before = _read(path) if check else _read_if_any(path)
    networks = {name: load(name) for name in index()}
    changes = compare(before, networks) if check or before else []
    if changes:
        write(_told(changes))
    if check and changes:
        raise typer.Exit(1)
    if check:
        remark(f"{len(networks)} specs have the keys and shapes that {display_path(path)} says")
        return
    write_output(path, lock_text(networks))
    remark(f"wrote {display_path(path)} ({len(networks)} specs)")


def _read_if_any(path: Path) -> dict[str, Any]:
    """Return the specs of a lock file that is about to be replaced; none where it is broken."""
    from stspec.diagnostics import SpecError

    try:
        return _read(path)
    except SpecError:
        return {}


def _read(path: Path) -> dict[str, Any]:
    """Return the specs of a lock file.

    Raises:
        SpecError: if it cannot be read.
    """
    from stspec.analysis.lock import VERSION, states
    from stspec.diagnostics import Diagnostic, SpecError, display_path

    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["lock"] != VERSION:
            raise ValueError(f"version {value['lock']}")
        specs: dict[str, Any] = dict(value["specs"])
        states(specs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"cannot read the lock file {display_path(path)}"
        detail = (
            error.strerror if isinstance(error, OSError) else "it is not what `stspec lock` writes"
        )
        help = f"{(detail or 'unreadable').lower()}; `stspec lock` writes it anew"
        raise SpecError(Diagnostic("bad-lock", message, help=help)) from error
    return specs


def _told(changes: list[Change]) -> str:
    ink = paint()
    styles = {"+": "green", "-": "red", "~": "yellow"}
    lines = []
    for change in changes:
        if change.told[0].startswith("is "):
            lines.append(f"{ink(change.spec, 'bold')} {change.told[0]}")
            continue
        lines.append(ink(change.spec, "bold"))
        lines += [
            f"  {ink(line, *[styles[line[0]]] if line[0] in styles else [])}"
            for line in change.told
        ]
    return "\n".join(lines)
