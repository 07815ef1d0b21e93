"""`stspec study export`: the tables and figures of a store, or of a paper, as files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stspec.cli.options import Output
from stspec.cli.study.options import Study

if TYPE_CHECKING:
    from stspec.study.findings import Findings


class Format(StrEnum):
    """How a table is written."""

    CSV = "csv"
    PARQUET = "parquet"
    LATEX = "latex"
    MARKDOWN = "markdown"
    LINES = "lines"
    SVG = "svg"
    PDF = "pdf"


class Definition(StrEnum):
    """Of Φ and Ψ."""

    TABLE = "table"
    PRINTED = "printed"


Source = Annotated[
    str,
    typer.Argument(
        metavar="STORE",
        help="A store's folder, or published:NAME: what a paper prints, such as "
        "published:study2021.",
        show_default=False,
    ),
]
Lists = Annotated[
    list[Path] | None,
    typer.Option("--list", metavar="FILE", show_default=False,
                 help="Classes that people call temporal, one a line (table9). Repeatable."),
]  # fmt: skip
Baseline = Annotated[
    str, typer.Option("--baseline", metavar="POLICY", help="What gains are measured against.")
]


def export(
    source: Source,
    name: Annotated[
        str | None,
        typer.Option("--table", metavar="NAME", help="Which; without it all are listed.",
                     show_default=False),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="How; the file's suffix tells.", show_default="csv"),
    ] = None,
    study: Study = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="NAME", help="Of this data set alone.", show_default=False),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option("--where", metavar="FACETS", show_default=False,
                     help="Of these models alone: frames=8,backbone=resnet50."),
    ] = None,
    baseline: Baseline = "tsn",
    definition: Annotated[
        Definition, typer.Option("--definition", help="Of Φ and Ψ (table8).")
    ] = Definition.TABLE,
    given: Lists = None,
    k: Annotated[
        int | None,
        typer.Option("--k", min=1, help="Classes that are called temporal, and static.",
                     show_default="32 of Kinetics, 18 of SSV2"),
    ] = None,
    size: Annotated[
        int,
        typer.Option("--classes-per-round", min=1, help="Of removal (table10, removed)."),
    ] = 40,
    output: Output = None,
) -> None:  # fmt: skip
    """Write a table or a figure of a store's results, or of a paper's.

    CSV and Parquet hold exact values, shares in [0, 1]; LaTeX (booktabs) and Markdown what people
    read; lines the names of classes alone, such as `--table removed -o round_1.txt`. Figures are
    drawn as SVG and PDF, `--table fig7 -o fig7.pdf`; other formats hold their points.
    """
    from stspec.cli.screen import remark, write
    from stspec.diff.figures import plural
    from stspec.study.export import DRAWN, form_of
    from stspec.study.export import export as written
    from stspec.study.findings import Findings
    from stspec.study.paper_tables import Options, make_table
    from stspec.study.sources import check_baseline, results_of, select

    results = results_of(source, study, remark)
    check_baseline(results, baseline)
    for facets in (f"data={data}" if data is not None else None, where):
        results = results if facets is None else select(results, facets)
    found = Findings(results)
    if name is None:
        write(_listed())
        return
    lists = {path.stem: lines_of(path) for path in given or ()}
    options = Options(baseline, definition.value, lists, k, size)
    chosen = form_of(None if form is None else form.value, output)
    if chosen in DRAWN:
        _draw(name, found, baseline, chosen, output)
        return
    table = make_table(name, found, options)
    content = written(table, chosen)
    for note in table.notes if chosen in ("csv", "parquet", "lines") else ():
        remark(f"note: {note}")  # the others have it in them
    if output is None:
        write(content.decode())
        return
    _save(output, content, plural(len(table.rows), "row"))


def _draw(
    name: str, found: Findings, baseline: str, form: str, output: Path | None
) -> None:  # fmt: skip
    from stspec.cli.screen import remark, write
    from stspec.diagnostics import Diagnostic, SpecError
    from stspec.diff.figures import plural
    from stspec.study.drawing import MOST_PANELS, draw
    from stspec.study.figures import FIGURES, make_figure
    from stspec.study.paper_tables import table_names

    if name not in FIGURES and name in table_names():
        message = f"`{name}` is a table, and is not drawn"
        help = f"figures are {', '.join(FIGURES)}"
        raise SpecError(Diagnostic("unknown-choice", message, help=help))
    figure = make_figure(name, found, baseline=baseline)
    content = draw(figure, "svg" if form == "svg" else "pdf")
    for note in () if figure.agreements else figure.notes:
        remark(f"note: {note}")
    if len(figure.panels) > MOST_PANELS:
        remark(f"note: {len(figure.panels)} panels are much for a page; --where frames=8, say, "
               "leaves fewer")  # fmt: skip
    if output is None:
        write(content.decode())
        return
    _save(output, content, plural(len(figure.panels), "panel"))


def _listed() -> str:
    """Return the names and titles of all tables and figures."""
    from stspec.cli.screen import Column, paint, table, width
    from stspec.study.paper_tables import titles

    rows = list(titles().items())
    return table([Column("table"), Column("what", shrinks=True)], rows, width(), paint())


def lines_of(path: Path) -> list[str]:
    """Return the classes of a file, one a line.

    Raises:
        SpecError: if it cannot be read.
    """
    from stspec.diagnostics import Diagnostic, SpecError, display_path

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        message = f"cannot read {display_path(path)}: {(reason or str(error)).lower()}"
        help = "a list of classes has one a line"
        raise SpecError(Diagnostic("cannot-read", message, help=help)) from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def _save(path: Path, data: bytes, what: str) -> None:
    from stspec.cli.screen import remark
    from stspec.diagnostics import display_path
    from stspec.output import write_output

    write_output(path, data)
    remark(f"wrote {display_path(path)}: {what}")
