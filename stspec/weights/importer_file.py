"""Reads an importer from its YAML file. The format is described in docs/importers.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from stspec.diagnostics import Diagnostic, Label, Span, SpecError, did_you_mean
from stspec.source import Mapping, Node, Scalar, Sequence, read_file
from stspec.weights.patterns import Pattern, PatternError, Tables, Template
from stspec.weights.rules import Drop, Importer, Remove, Rename, Rule, Stack

Load: TypeAlias = Callable[[str], Importer]

_LANGUAGE = 1
_KEYS = ("stspec", "about", "code_base", "extends", "recognise", "prefixes", "rules")
_RULE_KEYS = {
    "rename": ("to", "with"),
    "stack": ("to", "along", "order", "dim"),
    "remove": (),
    "drop": ("reason", "inert"),
}


def read_importer(path: Path, load: Load) -> Importer:
    """Return the importer of a file; `load` finds the importer that it extends.

    Raises SpecError, with all mistakes of the file at once.
    """
    tree = read_file(path)
    _only(tree, _KEYS, "an importer")
    _language(tree)
    problems: list[Diagnostic] = []
    rules = tuple(_rules(tree, problems))
    recognise = tuple(_patterns(tree, problems))
    if problems:
        raise SpecError(problems)
    own = Importer(
        name=path.stem,
        about=_text(_need(tree, "about")),
        code_base=_text(_need(tree, "code_base")),
        recognise=recognise,
        prefixes=_texts(tree.get("prefixes")),
        rules=rules,
    )
    parent = tree.get("extends")
    if parent is None:
        return own
    name = _text(parent)
    if name.endswith((".yaml", ".yml")):
        message = "an importer extends one that comes with stspec, by its name"
        raise _error(parent.span, "bad-parent", message)
    return _extend(own, load(name))


def _extend(own: Importer, parent: Importer) -> Importer:
    """A child's rules come first: they unwrap what its code base wrapped around the parent's."""
    return Importer(
        name=own.name,
        about=own.about,
        code_base=own.code_base,
        recognise=own.recognise + parent.recognise,
        prefixes=own.prefixes + tuple(p for p in parent.prefixes if p not in own.prefixes),
        rules=own.rules + parent.rules,
    )


def _patterns(tree: Mapping, problems: list[Diagnostic]) -> Iterator[Pattern]:
    for node in _items(tree.get("recognise")):
        try:
            yield Pattern(_text(node), {})
        except PatternError as error:
            problems.append(_diagnostic(node.span, "bad-pattern", str(error)))
        except SpecError as error:
            problems.extend(error.diagnostics)


def _rules(tree: Mapping, problems: list[Diagnostic]) -> Iterator[Rule]:
    for node in _items(tree.get("rules")):
        try:
            yield _rule(node)
        except PatternError as error:
            problems.append(_diagnostic(node.span, "bad-pattern", str(error)))
        except SpecError as error:
            problems.extend(error.diagnostics)


def _rule(node: Node) -> Rule:
    if not isinstance(node, Mapping):
        raise _error(node.span, "wrong-type", "a rule is a mapping")
    kinds = [kind for kind in _RULE_KEYS if kind in node]
    if len(kinds) != 1:
        known = ", ".join(f"`{kind}`" for kind in _RULE_KEYS)
        raise _error(node.span, "bad-rule", f"a rule has exactly one of {known}")
    kind = kinds[0]
    _only(node, (kind, "about", *_RULE_KEYS[kind]), f"a {kind} rule")
    return {"rename": _rename, "stack": _stack, "remove": _remove, "drop": _drop}[kind](node)


def _rename(node: Mapping) -> Rule:
    tables = dict(_tables(node.get("with")))
    pattern = Pattern(_text(_need(node, "rename")), tables)
    targets = tuple(Template(text) for text in _texts(_need(node, "to")))
    _check_names(node, pattern, targets)
    if unused := sorted(set(tables) - set(pattern.names)):
        raise _error(
            _need(node, "with").span, "unknown-capture", f"`{unused[0]}` is captured nowhere"
        )
    return Rename(pattern, targets, tables)


def _stack(node: Mapping) -> Rule:
    along = _text(_need(node, "along"))
    order_node = node.get("order")
    order = _texts(order_node) if order_node is not None else None
    table: Tables = {} if order is None else {along: {piece: piece for piece in order}}
    pattern = Pattern(_text(_need(node, "stack")), table)
    target = Template(_text(_need(node, "to")))
    _check_names(node, pattern, (target,))
    if along not in pattern.names:
        raise _error(_need(node, "along").span, "unknown-capture", f"`{along}` is captured nowhere")
    dim = _need(node, "dim")
    if not isinstance(dim, Scalar) or type(dim.value) is not int or not 0 <= dim.value <= 4:
        raise _error(dim.span, "wrong-type", "`dim` is an axis, 0 to 4")
    return Stack(pattern, target, along, int(dim.value), order)


def _remove(node: Mapping) -> Rule:
    return Remove(frozenset(_texts(_need(node, "remove"))))


def _drop(node: Mapping) -> Rule:
    inert = node.get("inert")
    if inert is not None and (not isinstance(inert, Scalar) or type(inert.value) is not bool):
        raise _error(inert.span, "wrong-type", "`inert` is true or false")
    pattern = Pattern(_text(_need(node, "drop")), {})
    reason = _text(_need(node, "reason"))
    return Drop(pattern, reason, isinstance(inert, Scalar) and inert.value is True)


def _check_names(node: Mapping, pattern: Pattern, targets: tuple[Template, ...]) -> None:
    for target in targets:
        for name in target.names:
            if name not in pattern.names:
                raise _error(
                    _need(node, "to").span,
                    "unknown-capture",
                    f"`{name}` is captured nowhere in `{pattern.text}`",
                    did_you_mean(name, pattern.names),
                )


def _tables(node: Node | None) -> Iterator[tuple[str, dict[str, str]]]:
    """Tables of a rename: a mapping translates what a capture takes, a list restricts it."""
    if node is None:
        return
    if not isinstance(node, Mapping):
        raise _error(node.span, "wrong-type", "`with` maps captures to tables or lists")
    for name, table in node.items():
        if isinstance(table, Mapping):
            yield name, {key: _text(value) for key, value in table.items()}
        else:
            yield name, {piece: piece for piece in _texts(table)}


def _language(tree: Mapping) -> None:
    node = _need(tree, "stspec")
    if not isinstance(node, Scalar) or type(node.value) is not int:
        raise _error(node.span, "wrong-type", "`stspec` is the version of the language, a number")
    if node.value > _LANGUAGE:
        raise _error(
            node.span,
            "newer-language",
            f"the file is written in language {node.value}, this stspec reads {_LANGUAGE}",
            "install a newer stspec",
        )
    if node.value < _LANGUAGE:
        raise _error(node.span, "bad-version", f"there is no language {node.value}")


def _only(node: Mapping, known: tuple[str, ...], what: str) -> None:
    problems = []
    for scalar, _ in node.entries:
        if scalar.value not in known:
            key = str(scalar.value)
            message = (
                f"an {what} has no key `{key}`"
                if what[0] in "aeiou"
                else (f"a {what} has no key `{key}`")
            )
            help_text = did_you_mean(key, known)
            problems.append(_diagnostic(scalar.span, "unknown-key", message, help_text))
    if problems:
        raise SpecError(problems)


def _need(node: Mapping, key: str) -> Node:
    value = node.get(key)
    if value is None:
        raise _error(node.span, "missing-key", f"`{key}` is missing")
    return value


def _items(node: Node | None) -> tuple[Node, ...]:
    if node is None:
        return ()
    if not isinstance(node, Sequence):
        raise _error(node.span, "wrong-type", "expected a list")
    return node.items


def _texts(node: Node | None) -> tuple[str, ...]:
    """A list of texts; a single text stands for a list of one."""
    if isinstance(node, Scalar):
        return (_text(node),)
    return tuple(_text(item) for item in _items(node))


def _text(node: Node) -> str:
    """A text that is not empty; whole numbers are read as the text they are in a key."""
    if isinstance(node, Scalar):
        if isinstance(node.value, str) and node.value:
            return node.value
        if type(node.value) is int:
            return str(node.value)
    raise _error(node.span, "wrong-type", "expected text", "put it in quotes")


def _error(span: Span, code: str, message: str, help: str | None = None) -> SpecError:
    return SpecError(_diagnostic(span, code, message, help))


def _diagnostic(span: Span, code: str, message: str, help: str | None = None) -> Diagnostic:
    return Diagnostic(code, message, (Label(span, "here"),), help or None)
