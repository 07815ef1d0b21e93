"""Numbers, shortened texts and tables."""

from __future__ import annotations

import pytest

from stspec.cli.screen import RIGHT, Column, Paint, short, shorten, size, table


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (24_366_992, "24.37 M"), (3.28e10, "32.80 G")],
)
def test_short(number: float, text: str) -> None:
    assert short(number) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (2**31, "2.00 GiB")]
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text


def test_shorten_cuts_at_a_word() -> None:
    assert shorten("a learnt blend of frames", 16) == "a learnt blend…"
    assert shorten("whole", 5) == "whole"
    assert shorten("unbreakable", 5) == "unbr…"


def test_a_table_keeps_to_its_width() -> None:
    columns = [Column("name"), Column("about", shrinks=True), Column("n", RIGHT)]
    rows = [("tam", "a very long text about a small thing", "1"), ("tsn", "short", "22")]
    text = table(columns, rows, 30, Paint(False), ("all", "", "23"))
    assert max(map(len, text.splitlines())) <= 30
    assert text.splitlines()[-1].endswith("23")


def test_paint_only_where_it_is_on() -> None:
    assert Paint(False)("x", "red") == "x"
    assert Paint(True)("x", "red", "bold") == "\x1b[31;1mx\x1b[0m"
