"""`stspec build`: compile, instantiate, and write the standalone source."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stspec.cli.options import Output, Set
from stspec.cli.screen import Paint, paint, remark, write

if TYPE_CHECKING:
    from torch import nn

    from stspec.network import Network

MARK = "Written by stspec "
"""What tells a file that may be written again from one that people have made."""


def build(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET", help="A model's name, or a YAML file.", show_default=False
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Build every shipped spec and family.")
    ] = False,
    sets: Set = None,
    output: Output = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; show how the file differs. 0 same, 1 drift."),
    ] = False,
    instantiate: Annotated[
        bool,
        typer.Option("--instantiate/--no-instantiate", help="Build the module (needs torch)."),
    ] = True,
) -> None:
    """Compile a model, build it, and write its source.

    The source goes to generated/NAME.py (a shipped model's into the checkout, where there is one),
    that of a model changed by --set to generated/NAME__HASH.py.

    Exit status with --check: 0 same, 1 drift, 2 error.
    """
    from stspec.cli.shipped import file_name, folder_for, shipped
    from stspec.network import load

    if everything == (target is not None):
        raise typer.BadParameter("name one spec, or ask for --all", param_hint="TARGET")
    if everything and (sets or output):
        raise typer.BadParameter("--set and -o go with one TARGET", param_hint="--all")
    names = shipped() if everything else [str(target)]
    drifted = []
    stems: dict[tuple[str, str], str] = {}
    for name in names:
        network = load(name, sets or ())
        prints = network.hashes
        if name != stems.setdefault((prints.math, prints.weights), name):
            continue  # a family whose own model has a name
        path = output or folder_for(name) / file_name(network, bool(sets))
        if not check:
            _write(network, path, instantiate, everything)
        elif not _same(path, network.emit().text):
            drifted.append(name)
    strays = _strays(stems.values()) if everything and check else []
    for stray in strays:
        write(f"{stray} belongs to no spec, or to one of another name; remove it")
    if drifted or strays:
        raise typer.Exit(1)
    if check:
        remark(f"{len(stems)} file{'s are' if len(stems) > 1 else ' is'} as the spec says")


def _write(network: Network, path: Path, instantiate: bool, brief: bool) -> None:
    """Print a model's summary, build its module, and write its source."""
    from stspec.diagnostics import display_path
    from stspec.output import write_output

    held = _held(path)
    _refuse_to_overwrite(path, held)
    ink = paint()
    if not brief:
        write(_summary(network, ink))
    if instantiate:
        _instantiate(network, ink, brief)
    text = network.emit().text
    if held != text:
        write_output(path, text)
    verb = "unchanged:" if held == text else "wrote"
    write(f"{verb} {display_path(path)} ({text.count(chr(10))} lines)")


def _same(path: Path, text: str) -> bool:
    """Tell whether a file holds a text; print the difference where it does not."""
    import difflib

    from stspec.diagnostics import display_path

    name = display_path(path)
    found = _held(path)
    if found is None:
        write(f"{name} is missing; `stspec build` writes it")
        return False
    if found == text:
        return True
    lines = difflib.unified_diff(
        found.splitlines(keepends=True), text.splitlines(keepends=True), name, f"{name} (spec)"
    )
    write("".join(lines))
    return False


def _held(path: Path) -> str | None:
    """Return what a file holds, or None where there is none, or a device or a pipe.

    Raises:
        SpecError: if it is a folder, or cannot be read.
    """
    from stspec.diagnostics import Diagnostic, SpecError, display_path

    try:
        if path.is_dir():
            raise IsADirectoryError(21, "is a folder")
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"`{display_path(path)}` cannot be the output: {reason}"
        raise SpecError(Diagnostic("cannot-write", message, help="name another place")) from error


def _refuse_to_overwrite(path: Path, held: str | None) -> None:
    """Refuse to write over a file that somebody else has made.

    Raises:
        SpecError: if the file holds something that was not written by stspec.
    """
    from stspec.diagnostics import Diagnostic, SpecError, display_path

    if held is not None and held.strip() and MARK not in held[:4000]:
        message = f"{display_path(path)} was not written by stspec"
        help = "name another file with -o, or remove this one"
        raise SpecError(Diagnostic("not-ours", message, help=help))


def _strays(names: Iterable[str]) -> list[str]:
    """Return generated files whose spec is gone."""
    from stspec.cli.shipped import generated_folder
    from stspec.diagnostics import display_path

    known = {name.rpartition("/")[2] for name in names}
    return [
        display_path(path)
        for path in sorted(generated_folder().glob("*.py"))
        if path.stem not in known and "__" not in path.stem
        and MARK in path.read_text(encoding="utf-8", errors="replace")[:4000]
    ]  # fmt: skip


def _summary(network: Network, ink: Paint) -> str:
    from stspec.analysis.report import report
    from stspec.cli.screen import RIGHT, Column, heading, table, width

    found = report(network, "stage")
    rows = [(line.label, line.output, f"{line.params:,}", f"{line.macs:,}") for line in found.lines]
    columns = [
        Column("stage", shrinks=True), Column("CxTxHxW"), Column("params", RIGHT),
        Column("MACs", RIGHT),
    ]  # fmt: skip
    about = network.spec.model.about
    title = heading(network.name, f": {about}" if about else "", width(), ink)
    clip = f"clip {network.facts.input} to {network.facts.output}"
    return f"{title}\n{clip}\n\n{table(columns, rows[:-1], width(), ink, rows[-1])}\n"


def _run(network: Network, module: nn.Module, kinds: str) -> None:
    """Run a module with operators from outside on a blank clip: nobody else may have.

    Raises:
        SpecError: if it raises, or gives another shape than was predicted.
    """
    import torch

    from stspec.diagnostics import Diagnostic, SpecError

    found = None
    try:
        with torch.no_grad():
            scores = module.eval()(torch.zeros(1, *network.facts.input.dims))
        if tuple(scores.shape[1:]) != network.facts.output.dims:
            found = f"gives {tuple(scores.shape[1:])}, not {network.facts.output.dims} as predicted"
    except Exception as error:
        found = f"cannot run: {type(error).__name__}: {error}"
    if found is not None:
        raise SpecError(Diagnostic("broken-op", f"the module with {kinds} {found}"))


OURS = "this is a mistake of stspec's"


def _instantiate(network: Network, ink: Paint, brief: bool) -> None:
    """Build the module and hold it to what was predicted.

    Raises:
        SpecError: if keys, shapes or counts are not as predicted.
    """
    import torchinfo

    from stspec.diagnostics import Diagnostic, SpecError
    from stspec.module import build_module
    from stspec.passes.outsiders import outsiders

    module = build_module(network)
    built = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    counted = torchinfo.summary(module, verbose=0).total_params
    predicted = network.state
    if built != predicted or counted != network.facts.params:
        keys = sorted(
            key for key in built.keys() | predicted.keys() if built.get(key) != predicted.get(key)
        )
        text = f"the module of {network.name} has other keys or shapes than predicted: {keys[:5]}"
        if not keys:
            text = f"torchinfo counts {counted:,} parameters, not {network.facts.params:,}"
        kinds = ", ".join(outsiders(network.facts))
        help = f"params() of {kinds} must tell what its module holds" if kinds else OURS
        raise SpecError(Diagnostic("prediction", text, help=help))
    if kinds := ", ".join(outsiders(network.facts)):
        _run(network, module, kinds)
    if not brief:
        told = f"built: {len(built)} tensors as predicted, {counted:,} parameters by torchinfo too"
        write(ink(told, "green"))
