from pathlib import Path
from typing import Any

import pytest

from stspec.diagnostics import SpecError
from stspec.source import Mapping, Sequence, from_python, read_text, to_plain


def test_values_round_trip() -> None:
    spec: dict[Any, Any] = {"a": [1, 2.5, "x", True, None], "b": {"c": (1, 2)}, 3: {}}
    expected = {"a": [1, 2.5, "x", True, None], "b": {"c": [1, 2]}, "3": {}}
    assert to_plain(from_python(spec)) == expected


def test_values_are_placed_at_the_caller() -> None:
    node = from_python({"a": 1})
    assert Path(node.span.file).name == "test_python.py"
    line = Path(__file__).read_text(encoding="utf-8").splitlines()[node.span.line - 1]
    assert line[node.span.column - 1 : node.span.end_column - 1] == 'from_python({"a": 1})'
    assert isinstance(node, Mapping)
    inner = node.get("a")
    assert inner is not None
    assert inner.span == node.span


def test_nodes_stay_as_they_are() -> None:
    tree = read_text("a: 1", "<text>")
    found = from_python([tree])
    assert isinstance(found, Sequence)
    assert found.items[0] is tree


def test_subclasses_become_plain() -> None:
    class Loud(str):
        def __repr__(self) -> str:
            return "__import__('os')"

    class Count(int):
        pass

    plain = to_plain(from_python([Loud("x"), Count(3)]))
    assert isinstance(plain, list)
    assert [type(value) for value in plain] == [str, int]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"a": object()}, "wrong-type"),
        ({"a": {1, 2}}, "wrong-type"),
        ({"a": b"x"}, "wrong-type"),
        ({None: 1}, "bad-key"),
        ({True: 1}, "bad-key"),
        ({1: 1, "1": 2}, "duplicate-key"),
        ({"a": "\x1b[0m"}, "bad-character"),
        ({"a": "\ud800"}, "bad-character"),
    ],
)
def test_refused(value: object, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        from_python(value)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]


def test_a_list_in_itself_is_too_deep() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(SpecError, match="too-deep"):
        from_python(endless)
