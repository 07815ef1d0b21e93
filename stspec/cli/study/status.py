"""`stspec study status`: what is finished, what runs where, what failed and why."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from stspec.cli.study.options import STORE, StoreOption

if TYPE_CHECKING:
    from stspec.study.records import PlannedRun
    from stspec.study.standing import Watch
    from stspec.study.store import Store


def status(
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY]", help="A study's name; all of the store.", show_default=False
        ),
    ] = None,
    store: StoreOption = STORE,
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and keep it up to date.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Hold all files of finished runs to their checksums.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print every run as JSON.")] = False,
) -> None:
    """Tell how studies stand: counts, what runs where, time left, failures and their logs.

    Exit status: 0; 1 if runs have failed, or --verify finds one damaged; 2 error.
    """
    from stspec.study.standing import Watch
    from stspec.study.store import open_store

    there = open_store(store)
    names = [study] if study is not None else _names(there)
    watches = {name: Watch(there, _runs(there, name)) for name in names}
    if json:
        _print_json(watches, there)
    elif watch:
        _stay(watches, there, every)
    else:
        _print(watches, there)
    damaged = _verify(watches, there) if verify else 0
    failed = any(each.look().counts["failed"] for each in watches.values())
    raise typer.Exit(1 if failed or damaged else 0)


def _names(there: Store) -> list[str]:
    from stspec.diagnostics import Diagnostic, SpecError, display_path

    names = sorted(path.stem for path in (there.root / "plans").glob("*.json"))
    if not names:
        message = f"there is no study in {display_path(there.root)}"
        raise SpecError(Diagnostic("no-plan", message, help="`stspec study run` puts one there"))
    return names


def _runs(there: Store, name: str) -> Sequence[PlannedRun]:
    from stspec.study.plan import stored_plan

    return stored_plan(there.root, name).runs


def _print_json(watches: dict[str, Watch], there: Store) -> None:
    import json

    from stspec.cli.screen import write
    from stspec.cli.study.shown import standing_json

    found = [standing_json(name, each.look(), there) for name, each in watches.items()]
    write(json.dumps(found[0] if len(found) == 1 else found, indent=1))


def _text(watches: dict[str, Watch], there: Store, rows: int) -> str:
    from stspec.cli.screen import paint, width
    from stspec.cli.study.shown import standing_text

    ink = paint()
    parts = [
        standing_text(name, each.look(), there, width(), ink, rows)
        for name, each in watches.items()
    ]  # fmt: skip
    return "\n\n\n".join(parts)


def _print(watches: dict[str, Watch], there: Store) -> None:
    from stspec.cli.screen import write
    from stspec.cli.study.shown import FEW

    write(_text(watches, there, FEW))


def _stay(watches: dict[str, Watch], there: Store, every: float) -> None:
    """Show how studies stand until they are over, or the user has seen enough."""
    if not sys.stdout.isatty():
        _print(watches, there)
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), screen=False, auto_refresh=False) as live:
        while True:
            live.update(Text.from_ansi(_text(watches, there, 8)), refresh=True)
            if all(each.look().is_over for each in watches.values()):
                return
            time.sleep(every)


def _verify(watches: dict[str, Watch], there: Store) -> int:
    """Tell which finished runs are damaged; return how many."""
    from stspec.cli.screen import remark
    from stspec.diagnostics import display_path
    from stspec.study.store import DamagedError

    damaged = 0
    finished = there.finished_keys()
    for key in dict.fromkeys(run.key for each in watches.values() for run in each.runs):
        if key in finished:
            try:
                there.verify(key)
            except DamagedError as error:
                damaged += 1
                remark(f"{display_path(there.folder(key))}: {error}")
    return damaged
