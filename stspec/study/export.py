"""Tables as files: CSV, Parquet, LaTeX, Markdown. Imports no torch; pyarrow where it is needed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean
from stspec.study.statistics import needs_extra
from stspec.study.tables import Column, Kind, Table, Value

Format = Literal["csv", "parquet", "latex", "markdown", "lines"]
SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".tex": "latex",
    ".md": "markdown",
    ".txt": "lines",
}
DRAWN = ("svg", "pdf")
"""Formats of figures as they are seen."""
_NUMBERS: tuple[Kind, ...] = ("count", "share", "points", "number", "p", "macs", "params")


def export(table: Table, form: str) -> bytes:
    """Return a table as a file's content.

    CSV and Parquet hold the values as they are, shares in [0, 1], MACs and params in full; LaTeX
    and Markdown hold what people read, in per cent, GMACs and millions.

    Args:
        table: such as `make_table` gives.
        form: csv, parquet, latex, markdown; of tables of classes also lines: their names alone.

    Raises:
        SpecError: `unknown-choice`; `missing-extra`, if Parquet is asked for without pyarrow.
    """
    if form == "csv":
        return to_csv(table).encode()
    if form == "parquet":
        return to_parquet(table)
    if form == "latex":
        return to_latex(table).encode()
    if form == "markdown":
        return to_markdown(table).encode()
    if form == "lines":
        return to_lines(table).encode()
    message = f"tables have no format `{form}`"
    raise SpecError(
        Diagnostic("unknown-choice", message, help=did_you_mean(form, get_args(Format)))
    )


def form_of(form: str | None, path: Path | None) -> str:
    """Return the format of a file: the one that is asked for, or what its suffix tells.

    Raises:
        SpecError: if neither tells, or what no terminal shows has no file to go to.
    """
    if form is None:
        suffix = ".csv" if path is None else path.suffix.lower()
        drawn = suffix.removeprefix(".")
        if suffix not in SUFFIXES and drawn not in DRAWN:
            message = f"`{path}` does not tell its format"
            help = f"end it in {', '.join([*SUFFIXES, '.svg, .pdf'])}, or say --format"
            raise SpecError(Diagnostic("unknown-choice", message, help=help))
        form = SUFFIXES.get(suffix, drawn)
    if form in ("parquet", "pdf") and path is None:
        message = f"{form.upper() if form == 'pdf' else 'Parquet'} is for files, not for terminals"
        raise SpecError(Diagnostic("no-file", message, help="name a file with -o"))
    return form


def to_lines(table: Table) -> str:
    """Return the classes of a table, one a line, once each: a list for `without`.

    Raises:
        SpecError: `unknown-choice`, if it is no table of classes.
    """
    if "class" not in [column.name for column in table.columns]:
        message = f"`{table.name}` is no table of classes, which lines are for"
        raise SpecError(Diagnostic("unknown-choice", message, help="use removed or classes"))
    names = dict.fromkeys(str(name) for name in table.values("class"))
    return "".join(f"{name}\n" for name in names)


def to_csv(table: Table) -> str:
    """Return a table as CSV: a heading of the columns' names, exact values, nothing for none.

    >>> from stspec.study.tables import Column, Table
    >>> table = Table("t", "T", (Column("a", "A"), Column("b", "B", "share")), (("x, y", 0.5),))
    >>> print(to_csv(table), end="")
    a,b
    "x, y",0.5
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows([[_cell(value) for value in row] for row in table.rows])
    return text.getvalue()


def _cell(value: Value) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def to_parquet(table: Table) -> bytes:
    """Return a table as Parquet, typed; title and notes stand in its metadata.

    Raises:
        SpecError: `missing-extra`, without pyarrow.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise needs_extra("Parquet", "pyarrow") from None

    fields, arrays = [], []
    for column in table.columns:
        values = table.values(column.name)
        kind: Any = _type(column, values, pa)
        exact = [str(v) if kind == pa.string() and v is not None else v for v in values]
        if kind == pa.float64():
            exact = [None if v is None else float(v) for v in values]
        fields.append(pa.field(column.name, kind))
        arrays.append(pa.array(exact, type=kind))
    about = {"title": table.title, "notes": "\n".join(table.notes)}
    schema = pa.schema(fields, metadata={key: text.encode() for key, text in about.items()})
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), buffer)
    return buffer.getvalue()


def _type(column: Column, values: Sequence[Value], pa: Any) -> Any:
    """Return the type of a column: of its values, or of its kind where it has none."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool} or (not kinds and column.kind == "yes"):
        return pa.bool_()
    if kinds == {int} or (not kinds and column.kind in ("count", "macs", "params")):
        return pa.int64()
    if (kinds and kinds <= {int, float}) or (not kinds and column.kind in _NUMBERS):
        return pa.float64()
    return pa.string()


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedblright{}",
    "Φ": r"$\Phi$", "Ψ": r"$\Psi$", "→": r"$\rightarrow$",
    "\N{MINUS SIGN}": "$-$", "\N{EN DASH}": "--", "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
}  # fmt: skip


_LATIN = 0x17F
"""The last character that LaTeX knows by itself."""


def escape_latex(text: str) -> str:
    """Return a text that LaTeX sets as it stands, on one line.

    >>> print(escape_latex("50% of a_b & {c}"))
    50\\% of a\\_b \\& \\{c\\}
    """
    told = "".join(each if each.isprintable() else " " for each in text)
    return "".join(_LATEX.get(character, character) for character in " ".join(told.split()))


def to_latex(table: Table) -> str:
    """Return a table for LaTeX with booktabs: numbers to the right, all text escaped."""
    align = "".join("r" if column.kind in _NUMBERS else "l" for column in table.columns)
    head = " & ".join(escape_latex(column.heading) for column in table.columns)
    rows = [" & ".join(_number(text) for text in row) for row in table.texts()]
    foreign = any(ord(each) > _LATIN for row in rows for each in row)
    lines = [
        "% \\usepackage{booktabs}",
        *(["% for LuaLaTeX or XeLaTeX, with a font that has these characters"] * foreign),
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{escape_latex(table.title)}}}",
        f"  \\label{{tab:{table.name}}}",
        f"  \\begin{{tabular}}{{{align}}}",
        "    \\toprule",
        f"    {head} \\\\",
        "    \\midrule",
        *(f"    {row} \\\\" for row in rows),
        "    \\bottomrule",
        "  \\end{tabular}",
        *(f"  % {' '.join(note.split())}" for note in table.notes),
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _number(text: str) -> str:
    """Return a cell; a number's sign as mathematics, so that it is a minus and no hyphen."""
    if text[:1] in "+-" and text[1:].replace(".", "", 1).isdigit():
        return f"${text}$"
    return "--" if text == "-" else escape_latex(text)


def to_markdown(table: Table) -> str:
    """Return a table for Markdown, with its title and notes."""
    heads = [_markdown(column.heading) for column in table.columns]
    rule = ["--:" if column.kind in _NUMBERS else "---" for column in table.columns]
    rows = [[_markdown(text) for text in row] for row in table.texts()]
    lines = [f"**{_markdown(table.title)}**", ""]
    lines += [f"| {' | '.join(row)} |" for row in (heads, rule, *rows)]
    lines += ["", *(f"- {_markdown(note)}" for note in table.notes)] if table.notes else []
    return "\n".join(lines) + "\n"


_MARKED = str.maketrans({each: f"\\{each}" for each in "\\|*_`[]<>#"})


def _markdown(text: str) -> str:
    return " ".join(text.split()).translate(_MARKED)
