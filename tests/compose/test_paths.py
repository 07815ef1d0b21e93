from typing import Any

import pytest

from stspec.compose.paths import parse_overrides, parse_path, put
from stspec.diagnostics import Span, SpecError
from stspec.network import load
from stspec.source import Mapping, from_python, read_text, to_plain

HERE = Span("here.py", 1, 1, 1, 9)
TREE = read_text("a: {b: 1, c: [1, {d: 2}]}\ne: text\n", "tree")


def plain() -> dict[str, Any]:
    return {"a": {"b": 1, "c": [1, {"d": 2}]}, "e": "text"}


def change(*overrides: str | tuple[str, Any]) -> object:
    tree = TREE
    changes, errors = parse_overrides(overrides, HERE)
    assert not errors
    for item in changes:
        tree = put(tree, item)
    return to_plain(tree)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("a.b=2", {"a": {"b": 2, "c": [1, {"d": 2}]}, "e": "text"}),
        ("a.b=null", {"a": {"c": [1, {"d": 2}]}, "e": "text"}),
        ("a=null", {"e": "text"}),
        ("a={b: 5}", {"a": {"b": 5, "c": [1, {"d": 2}]}, "e": "text"}),
        ("a.c=[3, 4]", {"a": {"b": 1, "c": [3, 4]}, "e": "text"}),
        ("a.c.0=9", {"a": {"b": 1, "c": [9, {"d": 2}]}, "e": "text"}),
        ("a.c.1.d=9", {"a": {"b": 1, "c": [1, {"d": 9}]}, "e": "text"}),
        ("new.deep.key=x", {**plain(), "new": {"deep": {"key": "x"}}}),
        ("new.deep.key=null", plain()),
        (" a.b = 2 ", {"a": {"b": 2, "c": [1, {"d": 2}]}, "e": "text"}),
        ("e='1=2'", {"a": {"b": 1, "c": [1, {"d": 2}]}, "e": "1=2"}),
        ("e=a=b", {"a": {"b": 1, "c": [1, {"d": 2}]}, "e": "a=b"}),
        (("a.b", 2), {"a": {"b": 2, "c": [1, {"d": 2}]}, "e": "text"}),
        (("e", {"x": None, "y": 1}), {"a": {"b": 1, "c": [1, {"d": 2}]}, "e": {"y": 1}}),
    ],
)
def test_put(override: str | tuple[str, Any], expected: object) -> None:
    assert change(override) == expected


def test_later_overrides_win() -> None:
    assert change("e=1", "e=2") == {"a": {"b": 1, "c": [1, {"d": 2}]}, "e": 2}


@pytest.mark.parametrize(
    "path", ["e.x=1", "a.b.c=1", "a.c.2=1", "a.c.-1=1", "a.c.x=1", "a.c.\u0660=1"]
)
def test_paths_that_lead_nowhere(path: str) -> None:
    with pytest.raises(SpecError) as caught:
        change(path)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["no-such-path"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a.b", "bad-override"),
        ("", "bad-override"),
        ("a.b=", "missing-value"),
        ("a.b= ", "missing-value"),
        ("a.b=# nothing", "missing-value"),
        ("=1", "bad-path"),
        ("a..b=1", "bad-path"),
        ("a. b=1", "bad-path"),
        (".".join("a" * 70) + "=1", "bad-path"),
        ("a=[1", "bad-yaml"),
        ("a=&x 1", "alias"),
        ("a=!!python/object:os.system 1", "tag"),
        ("a=\x1b", "bad-character"),
        ("a=" + "[" * 100, "too-deep"),
        ("a=" + "x" * (2 << 20), "too-large"),
    ],
)
def test_texts_that_are_no_overrides(text: str, code: str) -> None:
    changes, errors = parse_overrides([text], HERE)
    assert not changes
    assert [error.code for error in errors] == [code]


def test_segments_and_values_are_placed_in_what_was_typed() -> None:
    (_, second), errors = parse_overrides(["a=[1,\n 2]", "clip.frames=16"], HERE)
    assert not errors
    assert [(s.span.line, s.span.column, s.span.end_column) for s in second.path] == [
        (3, 1, 5),
        (3, 6, 12),
    ]
    assert second.value.span == Span("<--set>", 3, 13, 3, 15)
    assert second.value.origin == ("--set",)


def test_segments_of_a_quoted_key_are_placed_at_the_key() -> None:
    tree = read_text("'a.b': 1\na.b.c: 2\n", "tree")
    quoted, plain = tree.entries[0][0], tree.entries[1][0]
    assert {s.span for s in parse_path("a.b", quoted.span, ())} == {quoted.span}
    assert [s.span.column for s in parse_path("a.b.c", plain.span, ())] == [1, 3, 5]


def test_putting_shares_what_is_not_changed() -> None:
    changes, _ = parse_overrides(["e=1"], HERE)
    assert put(TREE, changes[0]).get("a") is TREE.get("a")
    node = from_python({"x": 1})
    assert isinstance(node, Mapping)


@pytest.mark.parametrize("given", ["clip.frames=16", {"clip.frames": 16}, [["clip.frames", 16]]])
def test_one_text_a_dict_and_lists_are_overrides(given: Any) -> None:
    (only,), errors = parse_overrides(given, HERE)
    assert not errors
    assert (only.dotted, to_plain(only.value)) == ("clip.frames", 16)


@pytest.mark.parametrize("given", [3, None, [3], [("clip.frames",)], [(1, 2)], [("a", 1, 2)]])
def test_what_is_no_override_is_told(given: Any) -> None:
    changes, errors = parse_overrides(given, HERE)
    assert not changes
    assert [error.code for error in errors] == ["bad-override"]


@pytest.mark.parametrize("target", [3, None, ["tam"], b"tam"])
def test_what_is_no_spec_is_told(target: Any) -> None:
    with pytest.raises(SpecError) as caught:
        load(target)
    (found,) = caught.value.diagnostics
    assert found.message.startswith("a spec cannot be a Python value")
    assert found.labels[0].span.file.endswith("test_paths.py")


@pytest.mark.parametrize("target", ["tam", {"extends": "tam"}])
@pytest.mark.parametrize("variant", [3, ["resnet18"], b"resnet18"])
def test_what_is_no_variant_is_told(target: Any, variant: Any) -> None:
    with pytest.raises(SpecError) as caught:
        load(target, variant=variant)
    (found,) = caught.value.diagnostics
    assert found.message.startswith("a variant cannot be a Python value")
    assert found.labels[0].span.file.endswith("test_paths.py")
