"""Pydantic decides whether a tree is valid; what it found is said in our words, at our spans."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from stspec.diagnostics import Diagnostic, Label, Span, SpecError, did_you_mean, nearest
from stspec.source.nodes import Mapping, Node, Scalar, describe, to_plain
from stspec.source.where import Step, Where, locate, shown_path, walk

__all__ = ["InvalidError", "locate", "validate"]

M = TypeVar("M", bound=BaseModel)

# What a value should have been, by the error that says that it is something else.
_EXPECTED = {
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "string_sub_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "iterable_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "none_required": "null",
}
# By the error: how a bound reads, its name in pydantic's context, and what the value is.
_RANGES = {
    "greater_than": ("greater than", "gt", "too small"),
    "greater_than_equal": ("at least", "ge", "too small"),
    "less_than": ("less than", "lt", "too large"),
    "less_than_equal": ("at most", "le", "too large"),
    "multiple_of": ("a multiple of", "multiple_of", "no multiple of it"),
}
_LENGTHS = {
    "too_short": ("at least", "min_length"),
    "too_long": ("at most", "max_length"),
    "string_too_short": ("at least", "min_length"),
    "string_too_long": ("at most", "max_length"),
}
_CHOICES = ("literal_error", "enum")
_MISSING = ("missing", "missing_argument", "missing_keyword_only_argument")
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


class InvalidError(ValueError):
    """For validators of models: a mistake with a code, a help text, and a place below the model.

    `at` is the path (keys and indices) from what the validator was given to what is wrong.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "bad-value",
        help: str | None = None,
        at: Sequence[Step] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.help = help
        self.at = tuple(at)


def validate(
    node: Mapping,
    model: type[M],
    *,
    context: Any = None,
    path: Sequence[Step] = (),
    key: Scalar | None = None,
    also: Iterable[str] = (),
) -> M:
    """The model made of a tree, read strictly: no text for numbers, no truth value for an integer.

    Args:
        node: the tree.
        model: what it should be.
        context: given to pydantic's validators.
        path: where `node` stands in the whole spec; messages speak of `policy.pooling.kernel`.
        key: the key that `node` stands under, to point at when something is missing.
        also: keys that the mapping may have though the model does not (they were taken out
            before), so that a mistyped one is recognised.

    Raises:
        SpecError: with a diagnosis of every mistake, in the order of the text.
    """
    # JSON is what strict means here: a list is fine for a tuple and "3" for a key that is an int.
    try:
        text = json.dumps(to_plain(node))
        return model.model_validate_json(text, strict=True, context=context)
    except ValidationError as error:
        details = error.errors(include_url=False)
    report = _Report(node, model, tuple(path), key, tuple(also))
    raise SpecError(*report.diagnose(details))


class _Report:
    """Turns the errors of one validation into diagnostics."""

    def __init__(
        self,
        node: Mapping,
        model: type[BaseModel],
        path: tuple[Step, ...],
        key: Scalar | None,
        also: tuple[str, ...],
    ) -> None:
        self.node = node
        self.model = model
        self.path = path
        self.key = key
        self.also = also

    def diagnose(self, details: Sequence[ErrorDetails]) -> list[Diagnostic]:
        """One diagnosis per mistake: an alternative that was not meant says nothing."""
        kept = [detail for detail in details if not _is_mistyped(detail, details)]
        found = self._resolve([(self._where(detail), detail) for detail in kept], 0)
        unique = dict.fromkeys(found)
        return sorted(unique, key=lambda diagnostic: diagnostic.position)

    def _where(self, detail: ErrorDetails) -> Where:
        """The node at which an error is told; for a missing or unknown key its mapping."""
        loc = detail["loc"]
        if loc and loc[-1] == "[key]":
            loc = loc[:-1]
        if detail["type"] not in _MISSING and detail["type"] not in _UNKNOWN:
            return walk(self.node, loc, key=self.key)
        is_key = isinstance(loc[-1], str)  # else an item of a list of fixed length
        return walk(self.node, loc[:-1], to_mapping=is_key, key=self.key)

    def _resolve(self, errors: list[tuple[Where, ErrorDetails]], level: int) -> list[Diagnostic]:
        """Group errors by the alternatives they are about; `level` tags are settled already."""
        groups: dict[object, list[tuple[Where, ErrorDetails]]] = {}
        for where, detail in errors:
            if len(where.tags) > level:
                known = where.tags[level][0]
                groups.setdefault((where.path[:known], where.tags[:level]), []).append(
                    (where, detail)
                )
            else:
                groups[id(detail)] = [(where, detail)]
        found = []
        for group in groups.values():
            if len(group[0][0].tags) > level:
                found += self._alternatives(group, level)
            else:
                found.append(self._one(*group[0]))
        return found

    def _alternatives(
        self, group: list[tuple[Where, ErrorDetails]], level: int
    ) -> list[Diagnostic]:
        """Errors of a union: of the alternative that was probably meant, or all expectations."""
        branches: dict[str, list[tuple[Where, ErrorDetails]]] = {}
        for where, detail in group:
            branches.setdefault(where.tags[level][1], []).append((where, detail))
        known = group[0][0].tags[level][0]
        meant = [b for b in branches.values() if not _is_other_kind(b, known)]
        if meant:
            return self._resolve(min(meant, key=len), level + 1)
        if len(branches) == 1:
            return self._resolve(group, level + 1)
        return [self._none_fits(group)]

    def _none_fits(self, group: list[tuple[Where, ErrorDetails]]) -> Diagnostic:
        where = group[0][0]
        kinds: list[str] = []
        choices: list[str] = []
        for _, detail in group:
            if detail["type"] in _CHOICES:
                choices += _choices(detail)
            elif (expected := _EXPECTED[detail["type"]]) not in kinds:
                kinds.append(expected)
        help = _type_help(where.node, kinds)
        if isinstance(where.node, Scalar) and isinstance(where.node.value, str):
            near = nearest(where.node.value, choices)
            help = f"did you mean `{near}`?" if near and not help else help
        wanted = kinds + [f"`{choice}`" for choice in choices]
        return self._wrong(where, _either(wanted), help)

    def _one(self, where: Where, detail: ErrorDetails) -> Diagnostic:
        kind = detail["type"]
        context: dict[str, Any] = detail.get("ctx") or {}
        if kind in _UNKNOWN:
            return self._unknown_key(where, str(detail["loc"][-1]))
        if kind in _MISSING and isinstance(detail["loc"][-1], int):
            label = Label(where.node.span, _has(where.node))
            return Diagnostic("bad-length", f"{self._name(where)} has too few items", (label,))
        if kind in _MISSING:
            return self._missing_key(where, str(detail["loc"][-1]))
        if detail["loc"] and detail["loc"][-1] == "[key]":
            return self._bad_key(where, kind)
        if kind in _EXPECTED:
            expected = _EXPECTED[kind]
            return self._wrong(where, expected, _type_help(where.node, [expected]))
        if kind in _CHOICES:
            return self._unknown_choice(where, _choices(detail))
        if kind in _RANGES:
            return self._out_of_range(where, kind, context)
        if kind in _LENGTHS:
            return self._bad_length(where, kind, context)
        if kind.startswith("union_tag"):
            return self._unknown_choice(where, _quoted(str(context.get("expected_tags", ""))))
        if isinstance(context.get("error"), ValueError | AssertionError):
            return self._value_error(where, context["error"])
        label = Label(where.node.span, "does not have the expected form")
        message = f"{self._name(where)} cannot be {describe(where.node)}"
        return Diagnostic("bad-value", message, (label,))

    def _unknown_key(self, where: Where, name: str) -> Diagnostic:
        mapping = where.node
        key = mapping.key(name) if isinstance(mapping, Mapping) else None
        span = key.span if key else where.node.span
        inside = shown_path((*self.path, *where.path))
        message = f"`{inside}` has no key `{name}`" if inside else f"there is no key `{name}`"
        choices = _fields(self.model, where)
        taken = mapping.keys() if isinstance(mapping, Mapping) else ()
        choices += self.also if not where.path else ()
        free = [choice for choice in choices if choice not in taken]
        # An override, or another file, may mistype a key that is there; within a file it is taken.
        near = nearest(name, choices)
        there = mapping.key(near) if near and isinstance(mapping, Mapping) else None
        is_override = near is not None and (
            span.file == "<--set>" or (there is not None and there.span.file != span.file)
        )
        help = did_you_mean(name, choices if is_override else free)
        if "." in name:
            help = "nest the keys: paths with dots are for `variants` and `--set`"
        return Diagnostic("unknown-key", message, (Label(span, "not known here"),), help or None)

    def _missing_key(self, where: Where, name: str) -> Diagnostic:
        inside = shown_path((*self.path, *where.path))
        message = f"`{inside}` lacks the key `{name}`" if inside else f"the key `{name}` is missing"
        removed = where.node.removed if isinstance(where.node, Mapping) else ()
        if key := next((key for key in reversed(removed) if key.value == name), None):
            label = Label(key.span, "null removes a key that must be there")
            return Diagnostic("missing-key", message, (label,))
        span, is_beside = _mapping_span(where)
        text = "beside this key" if is_beside else "in here"
        label = Label(span, f"expected the key `{name}` {text}")
        return Diagnostic("missing-key", message, (label,))

    def _bad_key(self, where: Where, kind: str) -> Diagnostic:
        span = where.key.span if where.key else where.node.span
        name = where.key.value if where.key else ""
        expected = _EXPECTED.get(kind, "another key")
        label = Label(span, f"expected {expected}, found `{name}`")
        message = f"`{name}` cannot be a key of `{shown_path((*self.path, *where.path[:-1]))}`"
        return Diagnostic("bad-key", message, (label,))

    def _wrong(self, where: Where, expected: str, help: str | None) -> Diagnostic:
        label = Label(where.node.span, f"expected {expected}, found {describe(where.node)}")
        message = f"{self._name(where)} must be {expected}"
        return Diagnostic("wrong-type", message, (label,), help)

    def _unknown_choice(self, where: Where, choices: list[str]) -> Diagnostic:
        found = describe(where.node)
        message = f"{self._name(where)} cannot be {found}"
        label = Label(where.node.span, "not one of the choices")
        written = where.node.value if isinstance(where.node, Scalar) else ""
        help = did_you_mean(str(written), choices) or None
        return Diagnostic("unknown-choice", message, (label,), help)

    def _out_of_range(self, where: Where, kind: str, context: dict[str, Any]) -> Diagnostic:
        reads, name, verdict = _RANGES[kind]
        message = f"{self._name(where)} must be {reads} {_number(context.get(name))}"
        label = Label(where.node.span, f"{describe(where.node)} is {verdict}")
        return Diagnostic("out-of-range", message, (label,))

    def _bad_length(self, where: Where, kind: str, context: dict[str, Any]) -> Diagnostic:
        reads, name = _LENGTHS[kind]
        is_text = kind.startswith("string")
        is_mapping = isinstance(where.node, Mapping)
        unit = "character" if is_text else "key" if is_mapping else "item"
        count = context.get(name)
        plural = "" if count == 1 else "s"
        message = f"{self._name(where)} must have {reads} {count} {unit}{plural}"
        return Diagnostic("bad-length", message, (Label(where.node.span, _has(where.node)),))

    def _value_error(self, where: Where, error: ValueError | AssertionError) -> Diagnostic:
        code, help = "bad-value", None
        if isinstance(error, InvalidError):
            code, help = error.code, error.help
            where = walk(where.node, error.at, key=where.key)
        span, _ = _mapping_span(where)
        text = "" if isinstance(where.node, Mapping) else f"found {describe(where.node)}"
        return Diagnostic(code, str(error), (Label(span, text),), help)

    def _name(self, where: Where) -> str:
        path = shown_path((*self.path, *where.path))
        return f"`{path}`" if path else "the spec"


def _is_other_kind(branch: list[tuple[Where, ErrorDetails]], known: int) -> bool:
    """Whether all that an alternative says is that the value as a whole is something else."""
    return all(
        len(where.path) == known and (detail["type"] in _EXPECTED or detail["type"] in _CHOICES)
        for where, detail in branch
    )


def _is_mistyped(missing: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """Whether a key is missing only since it was mistyped, which is told of the unknown key."""
    if missing["type"] not in _MISSING:
        return False
    *inside, name = missing["loc"]
    others = [d["loc"] for d in details if d["type"] in _UNKNOWN and len(d["loc"]) > len(inside)]
    return any(
        list(loc[:-1]) == inside and nearest(str(loc[-1]), [str(name)]) is not None
        for loc in others
    )


def _choices(detail: ErrorDetails) -> list[str]:
    return _quoted(str((detail.get("ctx") or {}).get("expected", "")))


def _quoted(text: str) -> list[str]:
    """The choices in pydantic's "'max', 'avg' or 3"."""
    parts = re.findall(r"'((?:[^'\\]|\\.)*)'|([^\s,']+)", text)
    return [quoted or bare for quoted, bare in parts if quoted or bare != "or"]


def _either(wanted: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(wanted[:-1]), wanted[-1])))


def _number(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _has(node: Node) -> str:
    count = len(str(node.value)) if isinstance(node, Scalar) else len(node)
    return f"has {count or 'none'}"


def _type_help(node: Node, expected: list[str]) -> str | None:
    """What to write instead, where that is plain."""
    if not isinstance(node, Scalar):
        return None
    value = node.value
    if isinstance(value, str):
        if "true or false" in expected and value.lower() in _BOOLEANS:
            return f"write `{_BOOLEANS[value.lower()]}`"
        numeric = {"an integer": r"[-+]?\d+", "a number": r"[-+]?[\d.]+(e[-+]?\d+)?"}
        for kind, pattern in numeric.items():
            if kind in expected and re.fullmatch(pattern, value):
                return "remove the quotes"
    if expected == ["a list"] and value is not None:
        return f"write `[{value}]`"
    if expected == ["text"] and value is not None:
        return f'put it in quotes: "{_plain(value)}"'
    return None


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mapping_span(where: Where) -> tuple[Span, bool]:
    """Where to point for a value as a whole, and whether that is one of a mapping's own keys.

    At a value on the line of its key or of one line, at the key of a mapping below it, at the
    first key of what has none.
    """
    span, key = where.node.span, where.key
    if not isinstance(where.node, Mapping):
        return span, False
    if key is not None:
        return (span if _one_line(span) and span.line == key.span.line else key.span), False
    if where.node.entries and not where.path:
        return where.node.entries[0][0].span, True
    return span, False


def _one_line(span: Span) -> bool:
    return span.line == span.end_line


def _fields(model: type[BaseModel], where: Where) -> tuple[str, ...]:
    """The keys that the mapping at a place below the model may have."""
    candidates: list[Any] = [model]
    for known in range(len(where.path) + 1):
        for tag in (name for at, name in where.tags if at == known):
            named = [t for c in candidates for t in _members(c, tag)]
            candidates = named or candidates
        if known < len(where.path):
            candidates = [t for c in candidates for t in _below(c, where.path[known])]
    models = [t for c in candidates for t in _members(c) if _is_model(t)]
    return tuple(dict.fromkeys(key for found in models for key in field_keys(found)))


def field_keys(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of a model as they are written: aliases where there are any."""
    return tuple(info.alias or name for name, info in model.model_fields.items())


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _members(kind: Any, tag: str | None = None) -> list[Any]:
    """The alternatives of an annotation, through Annotated, Optional and unions.

    With a tag only those that pydantic calls so: by their class or by a `Tag`.
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        tagged = any(isinstance(extra, Tag) and extra.tag == tag for extra in args[1:])
        return _members(args[0], None if tagged else tag)
    if origin in (typing.Union, types.UnionType):
        return [member for arg in args for member in _members(arg, tag)]
    return [kind] if tag is None or getattr(kind, "__name__", None) == tag else []


def _below(kind: Any, step: Step) -> list[Any]:
    """What an annotation allows at a key or an index."""
    found = []
    for member in _members(kind):
        if _is_model(member):
            for name, info in member.model_fields.items():
                if step in (name, info.alias):
                    found.append(info.annotation)
        elif typing.get_origin(member) in (list, tuple) and isinstance(step, int):
            found += [arg for arg in typing.get_args(member) if arg is not Ellipsis]
        elif typing.get_origin(member) is dict:
            found.append(typing.get_args(member)[1])
    return found
