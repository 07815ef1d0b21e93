"""`stspec eject`: source that is no longer stspec's."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from stspec.cli.options import Output, Set, Target
from stspec.cli.screen import remark, write

_CONTRACT = re.compile(r"^Written by stspec (\S+) from the spec '(.*)'\.$", re.MULTILINE)


def eject(
    target: Target,
    output: Output = None,
    sets: Set = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
) -> None:
    """Write a model's source for you to edit.

    Nothing checks it against its spec again.

    Without -o the source is printed.
    """
    from stspec.diagnostics import Diagnostic, SpecError, display_path
    from stspec.network import load
    from stspec.output import write_output

    text = ejected(load(target, sets or ()).emit().text)
    if output is None:
        write(text)
        return
    if output.exists() and not output.is_dir() and not force:
        message = f"{display_path(output)} exists"
        help = "name another file, or write over it with --force"
        raise SpecError(Diagnostic("file-exists", message, help=help))
    write_output(output, text)
    remark(f"wrote {display_path(output)}; it is yours from here on")


def ejected(text: str) -> str:
    """Return emitted source with a header that ends the contract with its spec."""

    def owner(match: re.Match[str]) -> str:
        version, name = match.groups()
        return f"Ejected from the spec '{name}' by stspec {version}: yours to edit from here on."

    return _CONTRACT.sub(owner, text, count=1)
