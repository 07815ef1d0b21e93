"""`stspec weights`: published weights, and their way from one form into another."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stspec.cli.options import Set, refuse_given

if TYPE_CHECKING:
    from stspec.network import Network
    from stspec.weights.catalogue import Weights
    from stspec.weights.inflate import Keep
    from stspec.weights.report import Report


class Action(StrEnum):
    """What is to be done with weights."""

    LIST = "list"
    GET = "get"
    CHECK = "check"
    CONVERT = "convert"
    TRANSPLANT = "transplant"


class ClassLayers(StrEnum):
    """What becomes of a classifier of another number of classes."""

    MATCH = "match"
    REPLACE = "replace"


class Policy(StrEnum):
    """What becomes of time."""

    REPEAT = "repeat"
    AVERAGE = "average"
    CENTER = "center"
    ZERO_INIT = "zero_init"
    SCRATCH = "scratch"


class Kept(StrEnum):
    """Input channels that keep their own weights."""

    FIRST = "first"
    LAST = "last"


HEEDED: Mapping[Action, Collection[str]] = {
    Action.LIST: ("name", "json"),
    Action.GET: ("name", "output", "json"),
    Action.CHECK: (
        "name", "source", "sets", "importer", "container", "image", "classes", "json",
    ),
    Action.CONVERT: (
        "name", "source", "sets", "importer", "container", "to", "like", "image", "output", "json",
    ),
    Action.TRANSPLANT: (
        "name", "source", "sets", "importer", "container", "donor_sets", "policy", "keep",
        "output", "json",
    ),
}  # fmt: skip
"""What each action takes."""


def weights(
    context: typer.Context,
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="|".join(Action))],
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="list: part of a name; get: the weights'; else a spec.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="A file of weights, a run, or a name of the catalogue.",
            show_default=False,
        ),
    ] = None,
    sets: Set = None,
    importer: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="NAME", help="The code base that the weights are of, or for "
            "transplant the spec; recognised by the keys.", show_default=False,
        ),
    ] = None,
    container: Annotated[
        str | None,
        typer.Option(
            "--container", metavar="KEY", help="The state dict that is meant, in a file of "
            "several, such as state_dict_ema.", show_default="the likeliest",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="NAME", help="convert: the code base whose keys are written.",
            show_default="ours",
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            "--like", metavar="FILE", help="convert: a checkpoint of that code base, for its keys.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write to this file.",
                     show_default=False),
    ] = None,
    image: Annotated[
        bool, typer.Option("--image", help="The weights are of an image network.")
    ] = False,
    classes: Annotated[
        ClassLayers, typer.Option("--classes", help="A classifier of other classes: replace it.")
    ] = ClassLayers.MATCH,
    donor_sets: Annotated[
        list[str] | None,
        typer.Option(
            "--from-set", metavar="PATH=VALUE", help="transplant: override a value of the spec "
            "that the weights are of. Repeatable.", show_default=False,
        ),
    ] = None,
    policy: Annotated[
        Policy | None,
        typer.Option("--policy", help="transplant: what becomes of time.",
                     show_default="the spec's"),
    ] = None,
    keep: Annotated[
        Kept | None,
        typer.Option("--keep", help="transplant: input channels that keep their own weights "
                     "where there are more.", show_default="the mean for all"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:  # fmt: skip
    """List, download, check, convert and transplant weights.

    get NAME downloads into torch.hub's cache and prints where to. check SPEC FILE tells what
    becomes of every tensor. convert SPEC FILE -o OUT writes ours; with --to another code base's.
    transplant SPEC FILE --from OTHER -o OUT fits another spec's weights.

    Exit status: 0 done; 1 check: some tensors are not accounted for; 2 error.
    """
    known = {parameter.name or "" for parameter in context.command.params}
    strangers = known - {"action", *HEEDED[action]}
    refuse_given(context, strangers, f"`weights {action.value}` does not take it")
    if to is None:
        refuse_given(context, ["like"], "it goes with --to, the code base that it is of")
    else:
        refuse_given(context, ["image"], "--to writes whole models")
    if action is Action.LIST:
        _list(name or "", json)
        return
    if name is None:
        raise typer.BadParameter("name the weights, or a spec", param_hint="NAME")
    if action is Action.GET:
        _get(name, output, json)
        return
    if source is None:
        raise typer.BadParameter("name a file of weights", param_hint="FILE")
    from stspec.network import load

    path, entry = _file(source)
    if entry is not None:
        importer = importer or entry.keys.importer
        image = image or entry.keys.image
        given = image or action is Action.TRANSPLANT
        if not given and not any(text.startswith("classes=") for text in sets or ()):
            sets = [*(sets or ()), f"classes={entry.keys.classes}"]
    if action is Action.CHECK:
        _check(load(name, sets or ()), path, importer, container, image, classes, json)
        return
    if output is None:
        raise typer.BadParameter("name a file to write", param_hint="--output")
    if action is Action.CONVERT:
        _convert(load(name, sets or ()), path, importer, container, to, like, image, output, json)
        return
    if importer is None or (entry is not None and importer == entry.keys.importer):
        importer = entry.keys.spec if entry is not None else importer
    if importer is None:
        help = "name the spec that the weights are of"
        raise typer.BadParameter(help, param_hint="--from")
    network = load(name, sets or ())
    # A classifier is worth having where it is of as many classes.
    donor = load(importer, [("classes", network.spec.model.classes), *(donor_sets or ())])
    _transplant(network, donor, path, container, policy, keep, output, json)


def _list(part: str, json: bool) -> None:
    from stspec.cli.screen import Column, paint, table, width, write
    from stspec.weights.catalogue import find_weights, weights_names

    found = [find_weights(name) for name in weights_names() if part in name]
    if json:
        _write_json([each.to_json() for each in found])
        return
    columns = [
        Column("weights"), Column("spec"), Column("data"), Column("top-1", ">"),
        Column("protocol", shrinks=True), Column("licence"),
    ]  # fmt: skip
    rows = [
        (w.name, w.keys.spec, w.keys.data, _accuracy(w), w.keys.protocol or "", w.keys.licence)
        for w in found
    ]
    write(table(columns, rows, width(), paint()) if rows else f"no weights are named `{part}`")


def _accuracy(found: Weights) -> str:
    given = found.keys.accuracy
    if given is None:
        return ""
    return f"{given.top1:.1f}" if given.top1 is not None else f"mAP {given.map or 0:.1f}"


def _get(name: str, output: Path | None, json: bool) -> None:
    from shutil import copyfile

    from stspec.cli.screen import remark, write

    path, entry = _file(name)
    if entry is None:
        from stspec.weights.catalogue import find_weights

        find_weights(name)
    assert entry is not None
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        copyfile(path, output)
        path = output
    if json:
        _write_json({**entry.to_json(), "path": str(path)})
        return
    given = entry.keys.input
    size = f"{given.frames} x {given.size}" if given.frames else str(given.size)
    remark(f"of {entry.keys.spec}, {entry.keys.classes} classes of {entry.keys.data}; {size} of")
    remark(f"{given.channels}, mean {given.mean}, std {given.std}; {entry.keys.licence}")
    write(str(path))


def _file(source: str) -> tuple[Path, Weights | None]:
    """Return a file of weights: one that is there, a run's, or one of the catalogue."""
    from stspec.diagnostics import Diagnostic, SpecError
    from stspec.weights.catalogue import find_weights, weights_names

    path = Path(source)
    if path.is_dir():
        from stspec.runs.directory import open_run

        return open_run(path).weights(), None
    if path.exists() or (source not in weights_names() and (path.suffix or path.parent.name)):
        return path, None
    entry = find_weights(source)
    keys = entry.keys
    if keys.url is None:
        message = f"`{source}` cannot be downloaded by a program"
        help = f"open {keys.page}, and name the file in its place"
        raise SpecError(Diagnostic("no-direct-link", message, help=help))
    from stspec.module.download import fetch

    return fetch(keys.url, keys.sha256), entry


def _check(
    network: Network, path: Path, importer: str | None, container: str | None, image: bool,
    classes: ClassLayers, json: bool,
) -> None:  # fmt: skip
    from stspec.module.convert import read_into

    imported, _ = read_into(
        network, path, importer, classes=classes.value, image=image, container=container
    )
    _tell(imported.report, json)
    _remark_lost(network, imported.report)
    if not imported.report.complete:
        raise typer.Exit(1)


def _convert(
    network: Network, path: Path, importer: str | None, container: str | None, to: str | None,
    like: Path | None, image: bool, output: Path, json: bool,
) -> None:  # fmt: skip
    from stspec.cli.screen import remark
    from stspec.module.convert import read_into, to_ours, to_theirs, untold

    if to is not None:
        exported = to_theirs(network, path, to, output, like, importer, container=container)
        _tell(exported.report, json)
        missing = ", ".join(f"{count} {kind}" for kind, count in untold(network).items())
        if missing:
            remark(f"no file of weights tells these, which the network there must have: {missing}")
        return
    imported, found = read_into(network, path, importer, image=image, container=container)
    to_ours(network, imported, found, output)
    _tell(imported.report, json)
    _remark_lost(network, imported.report)


def _transplant(
    network: Network, donor: Network, path: Path, container: str | None, policy: Policy | None,
    keep: Kept | None, output: Path, json: bool,
) -> None:  # fmt: skip
    from stspec.module.convert import transplanted, write_partial

    words = None if policy is None else policy.value
    kept: Keep = "none" if keep is None else keep.value
    imported = transplanted(network, donor, path, words, keep=kept, container=container)
    write_partial(network, imported, output)
    _tell(imported.report, json)


def _remark_lost(network: Network, report: Report) -> None:
    from stspec.cli.screen import remark
    from stspec.module.convert import lost

    if kinds := ", ".join(lost(network, report)):
        remark(f"the file is of a network with {kinds}, which {network.name} lacks: scores differ")


def _tell(report: Report, json: bool) -> None:
    from stspec.cli.screen import write

    if json:
        _write_json(report.to_json())
    else:
        write(report.table())


def _write_json(value: Any) -> None:
    from json import dumps

    from stspec.cli.screen import write

    write(dumps(value, indent=1))
