"""The entry point: commands are gathered, and every mistake of the user's becomes a diagnosis."""

from __future__ import annotations

import gc
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated

import typer

from stspec import __version__
from stspec.cli import (
    bench,
    build,
    check,
    cost,
    data,
    demo,
    diff,
    doctor,
    draw,
    eject,
    evaluate,
    features,
    listing,
    lock,
    predict,
    schema,
    show,
    study,
    train,
    verify,
    weights,
)
from stspec.cli.options import Command
from stspec.cli.screen import has_colour, width
from stspec.diagnostics import Diagnostic, SpecError

SAME, DIFFERENT, WRONG = 0, 1, 2
"""Exit statuses: all is well; something differs; the user or the spec is wrong."""
PIPE_CLOSED = 141
"""What shells report where a program's reader is gone."""

app = typer.Typer(
    name="stspec",
    help="Compile video-recognition networks: YAML in; module, source, cost and diff out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo.demo,
    "build": build.build,
    "check": check.check,
    "show": show.show,
    "cost": cost.cost,
    "diff": diff.diff,
    "draw": draw.draw,
    "list": listing.listing,
    "train": train.train,
    "eval": evaluate.evaluate,
    "predict": predict.predict,
    "features": features.features,
    "bench": bench.bench,
    "weights": weights.weights,
    "data": data.data,
    "doctor": doctor.doctor,
    "eject": eject.eject,
    "schema": schema.schema,
    "lock": lock.lock,
    "verify": verify.verify,
}

for _name, _command in COMMANDS.items():
    app.command(_name, cls=Command)(_command)
app.add_typer(study.app, name="study")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"stspec {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Compile video-recognition networks: YAML in; module, source, cost and diff out."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status; no exception leaves it."""
    try:
        status = _answer(arguments)
        sys.stdout.flush()
    except SpecError as error:
        return _tell(error)
    except BrokenPipeError:
        return PIPE_CLOSED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    except OSError as error:
        return _refused(error)
    except Exception as error:
        return _confess(error)
    return status


def _answer(arguments: Sequence[str] | None) -> int:
    try:
        app(args=None if arguments is None else list(arguments), prog_name="stspec")
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):
            raise leaving.__context__ from None  # typer says 1, which is `diff`'s for different
        return _status(leaving.code)
    return SAME


def run() -> None:
    """Run the command line of this process."""
    gc.set_threshold(50_000, 20, 50)  # what a command makes stays, so looking for waste is vain
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that lacks a character shows a question mark, never a traceback.
            stream.reconfigure(errors="replace")
    if sys.argv[1:2] != ["bench"]:  # which measures torch as it is
        share_cores()
    status = main()
    _let_go()
    sys.exit(status)


def _open_closed_streams() -> None:
    """Let what is written to a stream that the caller has closed go nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, io.StringIO())


def _let_go() -> None:
    """Let what streams still hold go nowhere if they take nothing.

    Python flushes them once more at its end, and a failure there would be the status.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def share_cores() -> None:
    """Have torch's threads sleep soon where they wait for each other; before torch is loaded.

    GNU OpenMP's spin for milliseconds. On cores that others use too, readers of videos among them,
    that takes several times the processor time of the work itself.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _status(code: str | int | None) -> int:
    if code is None or isinstance(code, int):
        return code or SAME
    sys.stderr.write(f"{code}\n")
    return WRONG


def _tell(error: SpecError) -> int:
    from stspec.diagnostics.render import render_terminal

    text = render_terminal(error.diagnostics, color=has_colour(sys.stderr), width=width())
    for stream, rest in ((sys.stdout, ""), (sys.stderr, text.rstrip("\n") + "\n")):
        with suppress(OSError):  # a full disk behind a stream leaves the status to tell
            stream.write(rest)
            stream.flush()
    return WRONG


def _refused(error: OSError) -> int:
    """Tell what the operating system would not do: a full disk, a name that is too long."""
    if os.environ.get("STSPEC_TRACEBACK"):
        traceback.print_exception(error)
    reason = (error.strerror or str(error)).lower()
    text = f"`{error.filename}`: {reason}" if error.filename else reason
    help = "the operating system says so; STSPEC_TRACEBACK=1 shows what was tried"
    return _tell(SpecError(Diagnostic("system-error", text, help=help)))


def _confess(error: Exception) -> int:
    """Say that stspec itself failed; STSPEC_TRACEBACK=1 shows where."""
    if os.environ.get("STSPEC_TRACEBACK"):
        traceback.print_exception(error)
    text = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    help = "this is a mistake of stspec's; STSPEC_TRACEBACK=1 shows where, for a report"
    return _tell(SpecError(Diagnostic("internal-error", text, help=help)))
