import os
from pathlib import Path

import pytest

from stspec.diagnostics import Span, SpecError
from stspec.source import Mapping, Scalar, Sequence, read_file, read_text, read_value, to_plain
from stspec.source.nodes import Node


def codes(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read_text(text, "<text>")
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def at(node: Node | None) -> tuple[int, int, int, int]:
    assert node is not None
    span = node.span
    return span.line, span.column, span.end_line, span.end_column


def test_spans_are_one_based_with_exclusive_ends() -> None:
    tree = read_text('é: "日本"\na:\n  b: {c: 1,\n      d: [1, 2]}\n\n\nz: x\n', "<text>")
    assert at(tree.key("é")) == (1, 1, 1, 2)
    assert at(tree.get("é")) == (1, 4, 1, 8)
    outer = tree.get("a")
    assert isinstance(outer, Mapping)
    assert at(outer.get("b")) == (3, 6, 4, 17)
    assert at(outer) == (3, 3, 4, 17), "a block ends with its last child, not with blank lines"
    assert at(tree.get("z")) == (7, 4, 7, 5)


def test_a_byte_order_mark_moves_no_column(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert at(read_file(path).get("a")) == (1, 4, 1, 5)
    assert at(read_text("\ufeffa: 1", "<text>").get("a")) == (1, 4, 1, 5)


def test_line_ends_of_other_systems() -> None:
    tree = read_text("a: 1\r\nb: 2\rc: 3\n", "<text>")
    assert at(tree.get("c")) == (3, 4, 3, 5)


def test_integer_keys_become_text_as_written() -> None:
    assert read_text("1: a\n007: b\n", "<text>").keys() == ("1", "007")


def test_quoted_scalars_are_text() -> None:
    assert to_plain(read_text("a: '1'\nb: \"true\"\nc: |\n  x\n", "<text>")) == {
        "a": "1",
        "b": "true",
        "c": "x\n",
    }


def test_the_origin_is_the_file() -> None:
    tree = read_text("a: [1]", "<text>")
    items = tree.get("a")
    assert isinstance(items, Sequence)
    assert items.items[0].origin == ("<text>",)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty-file"),
        ("# only a comment\n", "empty-file"),
        ("---\n...\n", "empty-file"),
        ("- a\n", "wrong-type"),
        ("a\n", "wrong-type"),
        ("null\n", "wrong-type"),
        ("a: 1\n---\nb: 2\n", "several-documents"),
        ("a: 1\na: 2\n", "duplicate-key"),
        ("1: 1\n'1': 2\n", "duplicate-key"),
        ("a: &x 1\n", "alias"),
        ("a: *x\n", "alias"),
        ("a: !!int 3\n", "tag"),
        ("a: !python/object:os.system {}\n", "tag"),
        ("<<: {a: 1}\n", "merge-key"),
        ("[a]: 1\n", "bad-key"),
        ("{a: 1}: 1\n", "bad-key"),
        ("null: 1\n", "bad-key"),
        ("1.5: 1\n", "bad-key"),
        ("true: 1\n", "bad-key"),
        ("? \n: 1\n", "bad-key"),
        ("a:\n", "missing-value"),
        ("a: [1, ]\nb:\nc: 1", "missing-value"),
        ("a:\n-\n- 1\n", "missing-value"),
        ("{a, b: 1}\n", "missing-value"),
        ("a: 99999999999999999999999\n", "bad-number"),
        ("a:\n\tb: 1\n", "bad-yaml"),
        ("a: [1\n", "bad-yaml"),
        ("a: b: c\n", "bad-yaml"),
        ("a: @x\n", "bad-yaml"),
        ('a: "\\uZZZZ"\n', "bad-yaml"),
        ("a: \x00\n", "bad-character"),
        ("a: \x1b\n", "bad-character"),
        ("a: \ud800\n", "bad-character"),
        ('a: "\\e"\n', "bad-character"),
        ('a: "\\0"\n', "bad-character"),
    ],
)
def test_refused(text: str, code: str) -> None:
    assert codes(text)[0] == code


def test_aliases_are_not_expanded() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"k{i}: &k{i} [*a, *a]\n" for i in range(40))
    assert set(codes(bomb)) == {"alias"}


def test_all_mistakes_at_once_in_order() -> None:
    text = "a: 1\na: 2\nb:\nc: *x\nd: !!int 3\nnull: 1\ne: [1\n"
    expected = ["duplicate-key", "missing-value", "alias", "tag", "bad-key", "bad-yaml"]
    assert codes(text) == expected


def test_the_number_of_mistakes_is_bounded() -> None:
    assert len(codes("k: *a\n" * 10_000)) == 50


def test_a_duplicate_points_at_both_places() -> None:
    with pytest.raises(SpecError) as caught:
        read_text("a: 1\nb: 2\na: 3\n", "<text>")
    (diagnostic,) = caught.value.diagnostics
    assert [label.span.line for label in diagnostic.labels] == [3, 1]
    assert [label.primary for label in diagnostic.labels] == [True, False]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{a: "])
def test_deep_nesting_is_refused_quickly(opening: str) -> None:
    assert codes(opening * 10_000)[-1] in ("too-deep", "bad-yaml")


def test_64_levels_are_fine_and_65_are_not() -> None:
    assert read_text("a: " + "[" * 63 + "]" * 63, "<text>")
    assert codes("a: " + "[" * 64 + "]" * 64) == ["too-deep"]


def test_a_large_text_is_refused_before_it_is_parsed() -> None:
    assert codes("a: " + "x" * (10 << 20)) == ["too-large"]


def test_text_after_the_limit_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(10 << 20)
    assert file_codes(path) == ["too-large"]


def file_codes(path: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read_file(path)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def test_what_is_no_readable_file(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.yaml"
    os.mkfifo(fifo)
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (
        fifo,
        tmp_path,
        tmp_path / "absent.yaml",
        tmp_path / "dangling",
        tmp_path / "loop",
        tmp_path / ("x" * 5000),
        tmp_path / "nul\0",
        fifo / "below",
        Path("/dev/zero"),
    ):
        assert file_codes(path) == ["unreadable-file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    assert file_codes(path) == ["unreadable-file"]


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\nb: \xc3\xa9\xff\n")
    with pytest.raises(SpecError) as caught:
        read_file(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "bad-encoding"
    assert diagnostic.position[1:] == (2, 5)
    path.write_bytes("a: 1".encode("utf-16"))
    assert file_codes(path) == ["bad-encoding"]


def test_values_stand_where_they_were_written() -> None:
    node = read_value("[1,\n {a: x}]", "<--set>", start=(3, 6), origin=("--set",))
    assert node.span == Span("<--set>", 3, 6, 4, 9)
    assert node.origin == ("--set",)
    assert read_value("8", "<--set>") == Scalar(8, Span("<--set>", 1, 1, 1, 2), ("<--set>",))


def test_c_and_python_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    from stspec.source import parser

    text = "a: {b: [1, 'x', 2.5], é: \"日本\"}\nc:\n- |\n  text\n- d\n- e: 1\n  f: null\n"
    fast = read_text(text, "<text>")
    monkeypatch.setattr(parser, "_LOADER", yaml.SafeLoader)
    slow = read_text(text, "<text>")
    assert fast == slow
    assert codes('a: "\\UFFFFFFFF"\n') == ["bad-yaml"]
    assert codes('a: "\\ud800"\n') == ["bad-character"]
    assert codes("a:\n\tb: 1\n") == ["bad-yaml"]


@pytest.mark.parametrize("key", [r"a\nb", r"a\e[31mb", r"a\u2028b", r"\u0085"])
def test_keys_are_one_line_of_text(key: str) -> None:
    """Names of variants and rules are printed, into terminals too."""
    with pytest.raises(SpecError) as caught:
        read_text(f'stspec: 1\n"{key}": 2\n', "<text>")
    (found,) = caught.value.diagnostics
    assert (found.code, found.labels[0].span.line) == ("bad-key", 2)
