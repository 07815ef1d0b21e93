from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stspec.compose.merge import merge, prune
from stspec.source import Mapping, from_python, read_text, to_plain
from stspec.source.nodes import with_origin

atoms = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from(["x", "none"]))
keys = st.sampled_from("abcd")
trees = st.recursive(
    atoms, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3)
)
mappings = st.dictionaries(keys, trees, max_size=3)


def node(value: object) -> Mapping:
    found = from_python(value)
    assert isinstance(found, Mapping)
    return found


def merged(parent: Any, child: Any) -> Any:
    return to_plain(merge(node(parent), node(child)))


def test_mappings_merge_lists_are_replaced_null_removes() -> None:
    parent = {"a": {"x": 1, "y": 2}, "b": [1, 2], "c": 3, "d": {"x": 1}}
    child = {"a": {"y": 3, "z": 4}, "b": [5], "c": {"x": 1}, "d": None, "e": None}
    assert merged(parent, child) == {"a": {"x": 1, "y": 3, "z": 4}, "b": [5], "c": {"x": 1}}


def test_order_is_the_parents_then_the_childs() -> None:
    assert list(merged({"a": 1, "b": 2}, {"c": 3, "b": 4})) == ["a", "b", "c"]


def test_each_value_keeps_its_place() -> None:
    parent = read_text("a: {x: 1,\n    y: 2}\n", "parent")
    child = read_text("a: {y: 3}\n", "child")
    inner = merge(parent, child).get("a")
    assert isinstance(inner, Mapping)
    places = {key: (value.span.file, value.origin) for key, value in inner.items()}
    assert places == {"x": ("parent", ("parent",)), "y": ("child", ("child",))}
    assert inner.span.file == "child"


@given(mappings)
def test_nothing_over_something_is_the_same(tree: dict[str, Any]) -> None:
    clean = to_plain(prune(node(tree)))
    assert merged(clean, {}) == clean
    assert merged({}, tree) == clean
    assert merged(clean, clean) == clean


@given(mappings, mappings, mappings)
def test_layers_apply_one_after_the_other(a: Any, b: Any, c: Any) -> None:
    two = merge(merge(node({}), node(a)), node(b))
    three = merge(two, node(c))
    assert prune(three) == three
    for key in "abcd":
        if key not in c:
            assert three.get(key) == two.get(key)
        elif not isinstance(c[key], dict):
            assert merged({}, {key: c[key]}).get(key) == merged({}, to_plain(three)).get(key)


@given(mappings)
def test_origins_are_set_everywhere(tree: dict[str, Any]) -> None:
    changed = with_origin(node(tree), ("here",))
    assert to_plain(changed) == to_plain(node(tree))
    assert "python" not in repr(changed).replace("<python>", "").replace("from_python", "")
