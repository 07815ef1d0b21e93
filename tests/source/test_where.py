import pytest

from stspec.source import Scalar, read_text
from stspec.source.where import locate, shown_path, walk

TREE = read_text(
    "clip: {size: [1, 2]}\nrule: {insert: tam, kernel: 3}\nrole: stem\npool: none\n", "<text>"
)


@pytest.mark.parametrize(
    ("steps", "value", "path"),
    [
        (("clip", "size", 1), 2, ("clip", "size", 1)),
        (("clip", "size", "tuple[int, int]", 1), 2, ("clip", "size", 1)),
        (("rule", "insert", "kernel"), 3, ("rule", "kernel")),
        (("rule", "insert", "insert"), "tam", ("rule", "insert")),
        (("role", 0), "stem", ("role",)),
        (("pool", "function-before[f(), int]"), "none", ("pool",)),
    ],
)
def test_paths_with_and_without_tags(
    steps: tuple[str | int, ...], value: object, path: tuple[str | int, ...]
) -> None:
    where = walk(TREE, steps)
    assert isinstance(where.node, Scalar)
    assert (where.node.value, where.path) == (value, path)


def test_a_mapping_is_preferred_where_one_is_asked_for() -> None:
    where = walk(TREE, ("rule", "insert"), to_mapping=True)
    assert where.path == ("rule",)
    assert where.tags == ((1, "insert"),)


def test_locate() -> None:
    key, value = locate(TREE, ("clip", "size"))
    assert key is not None
    assert (key.column, value.column) == (8, 14)
    assert locate(TREE, ("clip", "size", 0))[0] is None
    assert locate(TREE, ())[0] is None


def test_shown_path() -> None:
    assert shown_path(("clip", "size", 0, "a")) == "clip.size[0].a"
