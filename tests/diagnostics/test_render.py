import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stspec.diagnostics import Diagnostic, Label, Span, display_path, remember_text
from stspec.diagnostics.cells import printable, width_of
from stspec.diagnostics.render import render_github, render_json, render_terminal


def span(line: int, column: int, end: int, file: str = "<text>", end_line: int = 0) -> Span:
    return Span(file, line, column, end_line or line, end)


def render(text: str, *labels: Label, help: str | None = None, width: int = 80) -> str:
    remember_text("<text>", text)
    diagnostic = Diagnostic("some-code", "something is wrong", labels, help)
    return render_terminal([diagnostic], width=width)


def body(rendered: str) -> list[str]:
    """The rows below the headline, the position and the empty row."""
    return rendered.split("\n")[3:]


def test_one_label() -> None:
    assert body(render("a: 1\nkernal: 3\n", Label(span(2, 1, 7), "not known"))) == [
        "2 | kernal: 3",
        "  | ^^^^^^ not known",
    ]


def test_two_labels_on_one_line() -> None:
    shown = render(
        "{a: 1, a: 2}", Label(span(1, 8, 9), "again"), Label(span(1, 2, 3), "first", primary=False)
    )
    assert body(shown) == [
        "1 | {a: 1, a: 2}",
        "  |  -     ^ again",
        "  |  |",
        "  |  first",
    ]


def test_three_labels_on_one_line_hang_from_bars() -> None:
    labels = [Label(span(1, column, column + 1), f"label {column}") for column in (1, 5, 9)]
    assert body(render("a b c d e f", *labels)) == [
        "1 | a b c d e f",
        "  | ^   ^   ^ label 9",
        "  | |   |",
        "  | |   label 5",
        "  | label 1",
    ]


def test_labels_that_overlap_stand_below_each_other() -> None:
    shown = render("policy: tam", Label(span(1, 1, 12), "all"), Label(span(1, 9, 12), "part"))
    assert body(shown) == [
        "1 | policy: tam",
        "  | ^^^^^^^^^^^ all",
        "  |         ^^^ part",
    ]


def test_lines_between_labels() -> None:
    text = "".join(f"k{i}: {i}\n" for i in range(12))
    labels = [Label(span(line, 1, 3), f"line {line}") for line in (1, 3, 10)]
    assert body(render(text, *labels)) == [
        " 1 | k0: 0",
        "   | ^^ line 1",
        " 2 | k1: 1",
        " 3 | k2: 2",
        "   | ^^ line 3",
        "...",
        "10 | k9: 9",
        "   | ^^ line 10",
    ]


def test_a_span_of_several_lines_ends_with_its_first() -> None:
    shown = render("a:  [1,\n 2]\n", Label(span(1, 5, 4, end_line=2), "a list"))
    assert body(shown)[:2] == ["1 | a:  [1,", "  |     ^^^ a list"]


def test_an_empty_span_and_one_past_the_end() -> None:
    assert body(render("a: 1", Label(span(1, 1, 1), "here")))[1] == "  | ^ here"
    assert body(render("a: 1", Label(span(1, 5, 6), "here")))[1] == "  |     ^ here"
    assert body(render("a: 1", Label(span(1, 90, 99), "here")))[1] == "  |      ^ here"


def test_tabs_and_wide_characters_keep_carets_in_place() -> None:
    shown = body(render("\ta: 日本 x", Label(span(1, 5, 7), "wide"), Label(span(1, 8, 9), "x")))
    assert shown[0] == "1 |     a: 日本 x"
    assert shown[1] == "  |        ^^^^ ^ x"
    combining = body(render("e\u0301e\u0301: 1", Label(span(1, 7, 8), "one")))
    assert combining[1] == "  |     ^ one"


def test_nothing_that_a_terminal_would_act_on_is_printed() -> None:
    nasty = "a: \x1b[31m\u202e\u200bx\x07"
    shown = render(nasty, Label(span(1, 4, 5), "\x1b[2J"), help="\x1b]0;x\x07")
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\x07" not in shown
    assert "␛[31m" in shown
    assert printable("a\nb\tc") == "a b c"
    assert len(printable("x" * 10_000)) == 500


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("column", [1, 30, 79, 300, 597])
def test_long_lines_are_clipped_around_the_caret(width: int, column: int) -> None:
    line = "".join(f"{i:05}," for i in range(100))
    rows = render(line, Label(span(1, column, column + 5), "here it is"), width=width).split("\n")
    assert all(width_of(row) <= width for row in rows[1:])
    source, carets = rows[3], rows[4]
    start = carets.index("^")
    assert source[start : start + 4] == line[column - 1 : column + 3]


def test_a_very_long_line_is_measured_around_the_caret_only() -> None:
    text = "x" * 500_000 + "日" + "x" * 400_000
    rows = body(render(text, Label(span(1, 500_001, 500_002), "this one")))
    assert rows[0].index("日") == rows[1].index("^")
    assert all(width_of(row) <= 80 for row in rows)


def test_labels_far_apart_on_a_long_line_get_a_window_each() -> None:
    rows = body(render("x" * 300, Label(span(1, 2, 3), "left"), Label(span(1, 290, 291), "right")))
    assert [row.count("^") for row in rows] == [0, 1, 0, 1]


def test_long_texts_are_wrapped() -> None:
    words = "several words " * 12
    shown = render("a: 1", Label(span(1, 1, 2), words), help=words)
    assert all(len(row) <= 80 for row in shown.split("\n"))


def test_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("extends: b\n", encoding="utf-8")
    Path("b.yaml").write_text("\nextends: a\n", encoding="utf-8")
    shown = render_terminal(
        [
            Diagnostic(
                "x",
                "y",
                (
                    Label(span(2, 10, 11, "b.yaml"), "why", primary=False),
                    Label(span(1, 10, 11, "a.yaml"), "what"),
                ),
            )
        ]
    )
    assert shown.split("\n") == [
        "error[x]: y",
        " --> a.yaml:1:10",
        "  |",
        "1 | extends: b",
        "  |          ^ what",
        "  |",
        " ::: b.yaml:2:10",
        "  |",
        "2 | extends: a",
        "  |          - why",
    ]


def test_a_file_that_is_gone_is_told_by_position() -> None:
    gone = Diagnostic("x", "y", (Label(span(7, 3, 4, "gone.yaml"), "was here"),), "look")
    assert render_terminal([gone]).split("\n") == [
        "error[x]: y",
        " --> gone.yaml:7:3: was here",
        "  |",
        "  = help: look",
    ]


def test_a_file_that_became_shorter_is_told_by_position(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1", encoding="utf-8")
    shown = render_terminal([Diagnostic("x", "y", (Label(span(9, 1, 2, str(path)), "was"),))])
    assert shown.endswith(f"{path}:9:1: was")


def test_colour_changes_nothing_but_colour() -> None:
    import re

    remember_text("<text>", "{a: 1, a: 2}")
    labels = (Label(span(1, 8, 9), "again"), Label(span(1, 2, 3), "first", primary=False))
    diagnostic = Diagnostic("x", "y " * 60, labels, "help " * 30)
    coloured = render_terminal([diagnostic], color=True)
    assert "\x1b[1;31m" in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == render_terminal([diagnostic])


def test_warnings_say_so() -> None:
    assert render_terminal([Diagnostic("x", "y", severity="warning")]) == "warning[x]: y"


def test_json() -> None:
    (found,) = json.loads(
        render_json([Diagnostic("x", "y", (Label(span(1, 2, 3, "é.yaml"), "z"),), "h")])
    )
    assert found == {
        "code": "x",
        "severity": "error",
        "message": "y",
        "labels": [
            {
                "file": "é.yaml",
                "line": 1,
                "column": 2,
                "end_line": 1,
                "end_column": 3,
                "text": "z",
                "primary": True,
            }
        ],
        "help": "h",
    }


def test_github() -> None:
    diagnostics = [
        Diagnostic("x", "100%\nsure", (Label(span(1, 2, 3, "a,b:c.yaml"), "z"),), "h"),
        Diagnostic("x", "y", (Label(span(1, 2, 3, "a.yaml", end_line=4), ""),), severity="note"),
        Diagnostic("x", "::error::y", (Label(span(1, 2, 3, "<--set>"), ""),)),
    ]
    assert render_github(diagnostics).split("\n") == [
        "::error file=a%2Cb%3Ac.yaml,line=1,endLine=1,col=2,endColumn=3,title=x"
        "::100%25 sure%0Aa,b:c.yaml:1:2: z%0Ahelp: h",
        "::notice file=a.yaml,line=1,endLine=4,title=x::y",
        "::error title=x::::error::y",
    ]


def test_paths_are_shown_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert display_path(tmp_path / "a.yaml") == "a.yaml"
    assert display_path("/a") == "/a"
    assert display_path("./a.yaml") == "a.yaml"


def test_golden_with_everything(golden: Callable[[str, str], None]) -> None:
    text = (
        "stspec: 1\n"
        "clip: {frames: 8, size: 224}\n"
        "policy:\n"
        "  spatial:\n"
        "    日本: {where: {role: stem}, to: conv3d, kernel_t: 3, note: "
        + "a rather long remark, " * 6
        + "kernel: 5}\n"
    )
    shown = render(
        text,
        Label(span(5, 47, 48), "the temporal kernel needs three frames"),
        Label(span(2, 16, 17), "these are too few, after two poolings", primary=False),
        Label(span(2, 1, 5), "the clip", primary=False),
        help="pool time later, or take longer clips: two poolings leave a quarter of the frames",
    )
    golden("render_everything", shown)
