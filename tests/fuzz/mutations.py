"""Valid specs, and what chance makes of them: by value, by key and by character."""

from __future__ import annotations

import math
import re
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]

BASES: tuple[dict[str, Any], ...] = (
    {
        "stspec": 1,
        "about": "one of everything",
        "title": "Thing",
        "backbone": {
            "norm": {"eps": 0.001, "momentum": 0.1},
            "activation": "relu",
            "layers": {
                "conv1": {
                    "op": "conv2d",
                    "width": 8,
                    "kernel": 3,
                    "stride": 2,
                    "groups": 1,
                    "stage": 1,
                    "role": ["stem", "spatial_pool_1"],
                },
                "bn1": {"op": "batch_norm", "eps": 1e-5},
                "relu": {"op": "relu"},
                "pool": {"op": "max_pool2d", "kernel": 3, "padding": 1, "ceil_mode": True},
                "layer1": {"block": "bottleneck", "width": 4, "repeat": 2, "stage": 2},
                "layer2": {
                    "block": "basic",
                    "width": 8,
                    "stride": 2,
                    "repeat": 2,
                    "stage": 3,
                    "role": "spatial_pool_3",
                },
                "mix": {
                    "block": "inception",
                    "branch1": 4,
                    "branch2": [4, 4],
                    "branch3": [4, 4, 4],
                    "branch4": 4,
                    "pool": "avg",
                },
                "features": {
                    "sequence": [
                        {"block": "inverted_residual", "width": 8, "expand": 2, "repeat": 2},
                        {"block": "conv_sequence", "width": 8, "groups": "depthwise"},
                        {"op": "avg_pool2d", "kernel": 2, "stride": 1},
                    ],
                    "stage": 4,
                },
                "fire": {"block": "fire", "squeeze": 4, "expand": 4, "bypass": True},
            },
        },
        "clip": {"frames": 4, "size": [32, 36], "channels": 3},
        "policy": {
            "title": "Everything",
            "spatial": {
                "wide": {
                    "where": {"op": "conv", "pointwise": False, "not": {"role": "stem"}},
                    "to": "conv3d",
                    "kernel_t": {"each": [3, 1], "over": "stage"},
                },
                "two": {"where": {"role": "stem"}, "to": "conv2plus1d", "width": 5, "bias": True},
            },
            "temporal": {
                "tam": {"insert": "tam", "at": {"role": "residual_start"}, "kernel": 3},
                "nl": {
                    "insert": "non_local",
                    "at": {"role": "block_output", "stages": 3, "blocks": {"every": 2, "from": 1}},
                    "mode": "concatenation",
                },
            },
            "pooling": {
                "op": "max",
                "kernel": 3,
                "stride": 2,
                "beside": [3],
                "realise": "separate",
            },
            "inflate": "repeat",
        },
        "head": {"pool": "average", "dropout": 0.5, "classify": "per_frame", "name": "fc"},
        "classes": 5,
        "weights": "scratch",
    },
    {
        "stspec": 1,
        "extends": "families/tam",
        "backbone": {"extends": "resnet18"},
        "clip": {"size": 40},
        "policy": {"extends": "tam", "pooling": {"beside": [3, 4], "kernel": 3}},
        "head": {"dropout": 0},
    },
    {
        "stspec": 1,
        "backbone": "mobilenetv2",
        "policy": {
            "extends": "s3d",
            "temporal": {"t": {"insert": "tam", "at": {"slot": "project"}}},
        },
        "clip": {"frames": 2, "size": 32},
        "head": {"consensus": "maximum", "name": "classifier.1"},
    },
)

WORDS = """\
class def None self clip torch nn F x __init__ _a train forward é Ⓐ a.b 0 1.5 -1 conv1 fc layer1
conv2d conv3d conv2plus1d 3d tam shift non_local basic add concat softmax_attention linear
spatial_pool consensus dropout batch_norm relu max_pool3d temporal_avg_pool depthwise none out
average maximum stem residual_start block_output spatial_pool_3 module_output convolution each
imagenet families/tam tam i3d resnet18 ../tam ./x.yaml ./x.py:Y ../x.py a.py:B tam:resnet34
joint
"""
TEXTS = tuple(WORDS.split())
HOSTILE = (
    "",
    " ",
    '"""',
    "'''\\",
    "{{ 7 * 7 }}",
    "{% include 'x' %}",
    "{0} {frames} {",
    "a\nimport os",
    "\\",
    "#",
    "⟦x⟧",
    "é日本\u202e\u2028",
    "A" * 5000,
    "%s %(x)s",
    "\\N{BULLET}\\x00",
)
texts = st.sampled_from(TEXTS) | st.sampled_from(HOSTILE) | st.text(max_size=6)
numbers = (
    st.integers(-3, 9)
    | st.sampled_from([10**3, 10**6, 10**9, 2**31, 2**62, 2**63, -(2**63), 10**30, 4096])
    | st.sampled_from([0.0, 0.5, -1.5, 1e-300, 1e300, math.inf, -math.inf, math.nan])
)
atoms = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    atoms,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def paths(value: Any, prefix: Path = ()) -> list[Path]:
    """Return the path of every value below a value, owners first."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    found: list[Path] = []
    for key, child in items:
        found += [(*prefix, key), *paths(child, (*prefix, key))]
    return found


def owner_of(tree: Any, path: Path) -> Any:
    for key in path[:-1]:
        tree = tree[key]
    return tree


def _at(tree: Any, path: Path) -> Any:
    return owner_of(tree, path)[path[-1]]


HOW = [*["alike"] * 12, *["remove"] * 3, "set", "rename", "add", "move"]


def alike(value: Any) -> st.SearchStrategy[Any]:
    """Return values of a value's own kind, which are more often valid than not."""
    if isinstance(value, bool):
        return st.just(not value)
    if isinstance(value, int):
        return st.integers(0, 9) | st.integers(0, 9) | st.sampled_from([value + 1, 2 * value, 40])
    if isinstance(value, float):
        return st.floats(allow_nan=False, allow_infinity=False)
    if isinstance(value, list):
        return st.permutations(value) | st.lists(st.sampled_from(value or [0]), max_size=5)
    if isinstance(value, dict):
        return st.permutations(list(value.items())).map(dict)
    return texts


def mutate(draw: st.DrawFn, tree: dict[str, Any]) -> None:
    """Change a tree in one place."""
    places = paths(tree)
    if not places:
        return
    path = draw(st.sampled_from(places))
    owner, key = owner_of(tree, path), path[-1]
    how = draw(st.sampled_from(HOW))
    if how == "remove":
        del owner[key]
    elif how == "rename" and isinstance(owner, dict):
        owner[draw(texts)] = owner.pop(key)
    elif how == "add" and isinstance(owner, dict):
        owner[draw(texts)] = draw(values)
    elif how == "move":
        owner[key] = deepcopy(_at(tree, draw(st.sampled_from(places))))
    elif how == "alike":
        owner[key] = draw(alike(owner[key]))
    else:
        owner[key] = draw(values)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a valid spec with one to four changes."""
    tree: dict[str, Any] = deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 4))):
        mutate(draw, tree)
    return tree


PIECES = (
    *"\t\n :[]{},|>#'\"\\%@é-",
    *("- ", "? ", "&a ", "*a", "null", "9" * 30, "a: 1\n", "  ", "{}", "[]", "true", "-1", "0"),
    *("each: [1]", "op: ", "block: ", "repeat: 1000", "extends: ", "not: "),
)


WORD = re.compile(r"[\w.]+")


@st.composite
def spliced(draw: st.DrawFn, texts: tuple[str, ...]) -> str:
    """Draw a text with a few words changed, and characters cut out, put in or put elsewhere."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(0, 3))):
        words = [word.span() for word in WORD.finditer(text)]
        (start, end), other = draw(st.sampled_from(words)), draw(st.sampled_from(words))
        word = draw(st.sampled_from([text[slice(*other)], "1", "2", "5", "null", "{}", "conv2"]))
        text = text[:start] + word + text[end:]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        piece = draw(st.sampled_from(["", *PIECES]) | st.just(text[end : end + 9]))
        text = text[:start] + piece + text[end:]
    return text
