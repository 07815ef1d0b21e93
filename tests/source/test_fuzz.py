"""Whatever the bytes: a tree that keeps its rules, or a SpecError that can be shown."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from stspec.diagnostics.render import render_github, render_json, render_terminal
from stspec.source import Mapping, Scalar, Sequence, read_file, read_text
from stspec.source.nodes import Node

VALID = """\
stspec: 1
about: "a text, with \\u00e9 and é"
clip: {frames: 8, size: [224, 224]}   # a comment
policy:
  spatial:
    wide: {where: {kernel: 3}, to: conv3d, kernel_t: 3}
  temporal: {}
  pooling: none
text: |
  several
  lines
list:
- 1e-3
- 'quoted'
- ~
"""
PIECES = (
    *"\t\n :[]{},|>#'\"\\%@é日\x00\x85\u2028\ufeff\ud800\x1b",
    *("- ", "? ", "&a ", "*a", "!!int ", "---\n", "...\n", "<<: ", "null", "9" * 30, "a: 1\n"),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = VALID
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(st.sampled_from(["", *PIECES])) + text[end:]
    return text


def check(node: Node, depth: int = 1) -> None:
    assert depth <= 65
    assert node.span.start <= (node.span.end_line, node.span.end_column)
    if isinstance(node, Mapping):
        assert all(isinstance(key.value, str) for key, _ in node.entries)
        assert len(set(node.keys())) == len(node)
        for key, value in node.entries:
            assert node.span.start <= key.span.start
            check(value, depth + 1)
    elif isinstance(node, Sequence):
        for item in node.items:
            check(item, depth + 1)
    else:
        assert isinstance(node, Scalar)


def show(error: SpecError) -> None:
    for text in (
        render_terminal(error.diagnostics),
        render_json(error.diagnostics),
        render_github(error.diagnostics),
    ):
        assert not any(c < " " and c != "\n" for c in text)
        text.encode()
    for diagnostic in error.diagnostics:
        assert diagnostic.code
        assert diagnostic.message
        assert "yaml.org" not in diagnostic.message


@settings(max_examples=300, deadline=None)
@given(mutated())
@example("a: 1\nb: &x")
@example("")
def test_mutated_texts(text: str) -> None:
    try:
        check(read_text(text, "<text>"))
    except SpecError as error:
        show(error)


@settings(max_examples=60, deadline=None)
@given(mutated())
def test_mutated_texts_without_the_c_library(text: str) -> None:
    import yaml

    from stspec.source import parser

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser, "_LOADER", yaml.SafeLoader)
        try:
            check(read_text(text, "<text>"))
        except SpecError as error:
            show(error)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda at, junk: VALID.encode()[:at] + junk + VALID.encode()[at:],
            st.integers(0, len(VALID)),
            st.binary(max_size=8),
        ),
    )
)
def test_mutated_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(data)
    try:
        check(read_file(path))
    except SpecError as error:
        show(error)
