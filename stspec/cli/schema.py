"""`stspec schema`: JSON Schema of the language, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stspec.cli.options import no_such
from stspec.cli.screen import remark, write

RECIPE, STUDY = "recipe", "study"


def schema(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]",
            help="Print one: model, backbone, policy, recipe or study.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="The folder of the schema files.",
                     show_default=False),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; tell which files are out of date.")
    ] = False,
) -> None:  # fmt: skip
    """Write the JSON Schema that editors check YAML with.

    Put `# yaml-language-server: $schema=PATH/model.json` into a spec's first line.
    Exit status with --check: 0 same, 1 out of date, 2 error.
    """
    from stspec.cli.shipped import checkout
    from stspec.diagnostics import display_path
    from stspec.output import write_output
    from stspec.schema.jsonschema import KINDS, schema_text

    kinds = (*KINDS, RECIPE, STUDY)
    if kind is not None:
        if kind not in kinds:
            raise typer.BadParameter(no_such(kind, kinds), param_hint="KIND")
        if output or check:
            why = "one kind is printed; -o and --check go with the files of all"
            raise typer.BadParameter(why, param_hint="KIND")
        write(schema_text(_schema(kind)))
        return
    folder = output or (checkout() or Path()) / "specs" / "schema"
    stale = []
    for name in kinds:
        path, text = folder / f"{name}.json", schema_text(_schema(name))
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if not check:
            write_output(path, text)
    verb = "is out of date" if check else "written"
    for path in stale:
        write(f"{display_path(path)} {verb}")
    if not stale:
        remark("the schema files are up to date")
    if check and stale:
        raise typer.Exit(1)


def _schema(kind: str) -> dict[str, Any]:
    if kind == RECIPE:
        from stspec.train.recipe import recipe_schema

        return recipe_schema()
    if kind == STUDY:
        from stspec.study.schema import study_schema

        return study_schema()
    from stspec.schema.jsonschema import json_schema

    return json_schema(kind)
