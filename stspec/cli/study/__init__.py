"""`stspec study`: one file for each of its commands."""

from __future__ import annotations

from collections.abc import Callable

import typer

from stspec.cli.options import Command
from stspec.cli.study import compare, export, order, plan, report, run, status, work

COMMANDS: dict[str, Callable[..., None]] = {
    "plan": plan.plan,
    "order": order.order,
    "run": run.run,
    "status": status.status,
    "report": report.report,
    "export": export.export,
    "compare": compare.compare,
    "work": work.work,
}

app = typer.Typer(
    help="Plan, run and read a study: many models, one protocol.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

for _name, _command in COMMANDS.items():
    app.command(_name, cls=Command)(_command)
