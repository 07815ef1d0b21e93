"""Tables as files, read again by others' readers; hostile text stays text."""

from __future__ import annotations

import csv
import io

import pyarrow.parquet as pq
import pytest

from stspec.diagnostics import SpecError
from stspec.study.export import escape_latex, export, to_latex, to_markdown
from stspec.study.paper_tables import make_table, table_names
from stspec.study.published import published
from stspec.study.tables import Column, Table

HOSTILE = 'a & b_c % {x} \\input{/etc/passwd} | <script> "q" ~^#$\nnext'
TABLE = Table(
    "small",
    "A title with 50 %",
    (
        Column("name", "name_of"),
        Column("top1", "top-1", "share"),
        Column("gain", "gain", "points"),
        Column("macs", "cost", "macs"),
        Column("pooled", "pooled", "yes"),
    ),
    ((HOSTILE, 0.654321, -0.0123, 4_120_000_000, True), ("b", None, 0.5, 10**9, False)),
    ("one note",),
)


def test_csv_holds_exact_values() -> None:
    rows = list(csv.DictReader(io.StringIO(export(TABLE, "csv").decode())))
    assert rows[0]["name"] == HOSTILE
    assert float(rows[0]["top1"]) == 0.654321
    assert (rows[0]["macs"], rows[0]["pooled"], rows[1]["top1"]) == ("4120000000", "true", "")


def test_parquet_is_typed() -> None:
    found = pq.read_table(io.BytesIO(export(TABLE, "parquet")))
    assert [str(field.type) for field in found.schema] == [
        "string", "double", "double", "int64", "bool",
    ]  # fmt: skip
    assert found.to_pylist()[0]["name"] == HOSTILE
    assert found.to_pylist()[1]["top1"] is None
    assert found.schema.metadata[b"title"] == b"A title with 50 %"


def test_latex_is_escaped_and_for_booktabs() -> None:
    text = to_latex(TABLE)
    (row,) = [line for line in text.splitlines() if "input" in line]
    # What is left of the active characters are the four that part cells, and the row's end.
    bare = row.removesuffix(r" \\").replace(r"\&", "").replace(r"\textbackslash{}input", "")
    assert bare.count("&") == 4
    assert r"\input" not in row
    for name in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{name}") == 1
    assert r"\begin{tabular}{lrrrl}" in text
    assert r"& 65.43 & $-1.23$ & 4.12 & yes \\" in text
    assert r"b & -- & $+50.00$ & 1.00 & no \\" in text
    assert r"\caption{A title with 50 \%}" in text


def test_latex_says_what_was_said() -> None:
    assert escape_latex("Φ → 100%") == r"$\Phi$ $\rightarrow$ 100\%"
    # What pdfLaTeX refuses: a bell, a quote mark of another encoding, a minus of Unicode.
    told = escape_latex('a\x07b "c" \N{MINUS SIGN}1')
    assert told == r"a b \textquotedblright{}c\textquotedblright{} $-$1"


@pytest.mark.parametrize(("text", "said"), [("Φ → é", False), ("推す", True)])
def test_latex_says_where_it_needs_another_engine(text: str, said: bool) -> None:
    table = Table("t", "T", (Column("a", "a"),), ((text,),))
    assert ("LuaLaTeX" in to_latex(table)) is said


def test_markdown_keeps_its_columns() -> None:
    lines = to_markdown(TABLE).splitlines()
    assert lines[2] == "| name\\_of | top-1 (%) | gain (points) | cost (GMACs) | pooled |"
    assert "\\|" in lines[4]
    assert lines[4].replace("\\|", "").count("|") == 6
    assert "<" not in lines[4].replace("\\<", "")
    assert lines[-1] == "- one note"


def test_every_table_can_be_written_in_every_form() -> None:
    results = published("study2021_full")
    for name in table_names():
        table = make_table(name, results)
        for form in ("csv", "latex", "markdown"):
            assert export(table, form)
        found = pq.read_table(io.BytesIO(export(table, "parquet")))
        assert found.num_rows == len(table.rows)


def test_an_unknown_form_is_told() -> None:
    with pytest.raises(SpecError, match="csv"):
        export(TABLE, "cvs")
