"""Texts and names from a stranger cannot put code into emitted source."""

from __future__ import annotations

import ast
import copy
import keyword
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stspec.diagnostics import SpecError
from stspec.diagnostics.cells import width_of
from stspec.network import load
from tests.networks import CONV, meta_module, model, shapes

TEXTS = {
    "docstring": '"""\nimport os\n"""',
    "half a docstring": '""',
    "quote": '"',
    "apostrophes": "'''",
    "backslash": "end \\",
    "escape": r"\N{BULLET} \x22\x22\x22 \u0022",
    "line": "one\nimport os\nos.system('x')",
    "returns": "a\rb\u2028c\u2029d\x85e",
    "jinja": "{{ cycler.__init__.__globals__.os.popen('x').read() }}",
    "jinja block": "{% for x in ().__class__.__bases__ %}{% endfor %}",
    "jinja comment": "{# gone",
    "format": "{0} {x!r} {frames} {",
    "percent": "%s %(name)s %",
    "direction": "\u202e reversed \u2066 isolated",
    "braces of our own": "⟦x⟧ ⟦conv1⟧",
    "unicode": "日本語 é \U0001f600",
    "combining": "a\u0301\u200d\u200b",
    "long": "word " * 2000,
    "one long word": "w" * 5000,
    "comment": "# type: ignore",
    "empty": "",
    "space": "   ",
}
PLACES = ("about", "title", "paper", "name", "backbone.title", "backbone.paper", "policy.title")


def spec() -> dict[str, Any]:
    layers = {"conv1": {**CONV, "role": "stem"}, "layer1": {"block": "basic", "width": 8}}
    policy = {"temporal": {"tam": {"insert": "tam", "at": {"role": "residual_start"}}}}
    return model(layers, name="plain", policy=policy)


def put(tree: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    tree = copy.deepcopy(tree)
    *owners, last = path.split(".")
    place = tree
    for key in owners:
        place = place[key]
    place[last] = value
    return tree


class _Bare(ast.NodeTransformer):
    """Removes docstrings, and the model's own name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._strip(node)
        node.name = "Model" if node.name == self.name else node.name
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._strip(node)
        return self.generic_visit(node)

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self._strip(node)
        return self.generic_visit(node)

    def _strip(self, node: ast.ClassDef | ast.FunctionDef | ast.Module) -> None:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]


def bare(target: dict[str, Any]) -> str:
    """Return the code of a spec's source, without texts, as a syntax tree."""
    emitted = load(target).emit()
    assert emitted.class_name.isidentifier() and emitted.class_name.isascii()
    assert not keyword.iskeyword(emitted.class_name)
    tree = ast.parse(emitted.text)
    compile(tree, "emitted", "exec")
    return ast.dump(_Bare(emitted.class_name).visit(tree))


PLAIN = bare(spec())


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_only_docstrings_change(place: str, text: str) -> None:
    try:
        assert bare(put(spec(), place, text)) == PLAIN
    except SpecError as error:
        assert error.diagnostics[0].code == "bad-character"


@settings(max_examples=300)
@given(st.sampled_from(PLACES), st.text(max_size=40))
def test_any_text(place: str, text: str) -> None:
    try:
        assert bare(put(spec(), place, text)) == PLAIN
    except SpecError as error:
        assert error.diagnostics[0].code == "bad-character"


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_lines_stay_short_and_printable(text: str) -> None:
    tree = spec()
    for place in PLACES:
        tree = put(tree, place, text)
    try:
        source = load(tree).emit().text
    except SpecError as error:
        assert error.diagnostics[0].code == "bad-character"
        return
    assert all(width_of(line) <= 100 for line in source.splitlines())
    assert all(line.isprintable() for line in source.split("\n"))
    assert "import os" not in [line.strip() for line in source.splitlines()]


HOSTILE_NAMES = (
    "a b",
    "a-b",
    "a.b",
    "a;b",
    "a\nb",
    "a'b",
    'a"b',
    "a\\b",
    "1a",
    "",
    "é",
    "ａ",  # noqa: RUF001 (a full-width letter, which Python would take for an a)
    "class",
    "None",
    "_x",
    "__init__",
    "__class__",
    "forward",
    "train",
    "state_dict",
    "a" * 65,
    "{{ x }}",
    "a)",
)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_of_layers_and_rules_are_identifiers(name: str) -> None:
    rule = {"insert": "tam", "at": {"role": "residual_start"}}
    wide = {"where": {"kernel": 3}, "to": "conv3d"}
    for tree in (
        model({name: CONV, "b": CONV}),
        {**spec(), "policy": {"temporal": {name: rule}}},
        {**spec(), "policy": {"spatial": {name: wide}}},
        {**spec(), "head": {"name": name}},
    ):
        with pytest.raises(SpecError) as caught:
            load(tree)
        assert caught.value.diagnostics[0].code in ("bad-name", "bad-value", "bad-pattern")


TAKEN = (
    "torch F nn Tensor self super clip x y num_classes frames range sum len tuple max int "
    "weight bias head_pool consensus dropout fc in_channels out_channels width kernel stride "
    "shortcut identity fold_time unfold_time Sequential TemporalAggregation conv1 name cls"
)


@pytest.mark.parametrize("name", TAKEN.split())
def test_names_that_source_uses_itself(name: str) -> None:
    """Such names mean what any other name means."""
    policy = {"temporal": {name: {"insert": "tam", "at": {"role": "residual_start"}}}}
    inception = {"block": "inception", "branch2": [4, 4], "branch3": [4, 4]}
    layers = {name: CONV, "layer1": {"block": "basic", "width": 8, "repeat": 2}, "mix": inception}
    tree = model(layers, name=name, title=name, policy=policy)
    network = load(tree)
    module = meta_module(network)
    assert list(network.state.items()) == list(shapes(module).items())


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a/b", "a\\b", "/abs", "con", "a.b"])
def test_a_name_is_no_path(name: str) -> None:
    emitted = load({**spec(), "name": name}).emit()
    assert emitted.class_name.isidentifier()
