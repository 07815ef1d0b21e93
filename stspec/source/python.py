"""Specs made in Python: dicts, lists and scalars become nodes placed at the caller's line."""

from __future__ import annotations

import sys
from collections.abc import Mapping as AnyMapping
from typing import Any

from stspec.diagnostics import Diagnostic, Label, Span, SpecError, display_path
from stspec.source.nodes import MAX_DEPTH, Mapping, Node, Origin, Scalar, Sequence

ORIGIN: Origin = ("python",)


def caller_span(depth: int = 1) -> Span:
    """The line of Python that called the function `depth` frames above the one asking."""
    try:
        frame = sys._getframe(depth + 1)
    except ValueError:
        return Span("<python>", 1, 1, 1, 1)
    file, line = frame.f_code.co_filename, frame.f_lineno
    name = file if file.startswith("<") else display_path(file)
    return Span(name, line, 1, line, 1)


def from_python(obj: Any, span: Span | None = None, *, origin: Origin = ORIGIN) -> Node:
    """Nodes for a Python value, all at one span (the caller's line where none is given).

    Accepts dicts with string (or int) keys, lists, tuples, strings, numbers, booleans, None, and
    nodes, which stay as they are.

    Raises:
        SpecError: another type (`wrong-type`), a key that is no text (`bad-key`), or nesting
            deeper than 64, as in a list that contains itself (`too-deep`).
    """
    return _convert(obj, span or caller_span(), origin, 1)


def _convert(obj: Any, span: Span, origin: Origin, depth: int) -> Node:
    if isinstance(obj, Scalar | Sequence | Mapping):
        return obj
    if obj is None or isinstance(obj, bool | int | float | str):
        return _scalar(obj, span, origin)
    if depth > MAX_DEPTH:
        raise _error("too-deep", f"values are nested more than {MAX_DEPTH} deep", span)
    if isinstance(obj, AnyMapping):
        entries: dict[str, tuple[Scalar, Node]] = {}
        for key, value in obj.items():
            name = _key(key, span)
            if name in entries:
                raise _error("duplicate-key", f"the key `{name}` is given twice", span)
            entries[name] = (Scalar(name, span, origin), _convert(value, span, origin, depth + 1))
        return Mapping(tuple(entries.values()), span, origin)
    if isinstance(obj, list | tuple):
        return Sequence(tuple(_convert(x, span, origin, depth + 1) for x in obj), span, origin)
    found = type(obj).__name__
    raise _error(
        "wrong-type",
        f"a spec cannot hold a Python value of type {found}",
        span,
        help="use dicts, lists, text, numbers, True, False and None",
    )


def _scalar(obj: bool | int | float | str | None, span: Span, origin: Origin) -> Scalar:
    # Subclasses (numpy.float64, string enums) become the plain value, so that repr is plain too.
    for kind in (bool, int, float, str):
        if isinstance(obj, kind):
            value = kind.__str__(obj) if kind is str else kind(obj)
            return Scalar(value, span, origin)
    return Scalar(None, span, origin)


def _key(key: object, span: Span) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, int) and not isinstance(key, bool):
        return str(int(key))
    raise _error("bad-key", f"a key must be text, found {key!r:.40}", span)


def _error(code: str, message: str, span: Span, help: str | None = None) -> SpecError:
    return SpecError(Diagnostic(code, message, (Label(span, "given here"),), help))
