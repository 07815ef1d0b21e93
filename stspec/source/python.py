"""Specs made in Python: dicts, lists and scalars become nodes placed at the caller's line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping as AnyMapping
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

from stspec.diagnostics import Diagnostic, Label, Span, SpecError, display_path
from stspec.source.nodes import MAX_DEPTH, Mapping, Node, Origin, Scalar, Sequence
from stspec.source.scalars import forbidden_character

# Frames of files below here are ours, not of whoever wrote the spec.
_PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep
ORIGIN: Origin = ("python",)


def caller_span() -> Span:
    """The call, in the nearest file outside of stspec, that led here."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    if frame is None:
        return Span("<python>", 1, 1, 1, 1)
    code = frame.f_code
    name = code.co_filename
    name = name if name.startswith("<") else display_path(name)
    line, end_line, column, end_column = next(
        islice(code.co_positions(), frame.f_lasti // 2, None), (None,) * 4
    )
    if line is None or end_line is None or column is None or end_column is None:
        return Span(name, frame.f_lineno, 1, frame.f_lineno, 1)
    return Span(name, line, column + 1, end_line, end_column + 1)


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
            value = str.__str__(obj) if isinstance(obj, str) else kind(obj)
            if isinstance(value, str) and (found := forbidden_character(value)):
                message = f"this text holds a control character ({found})"
                raise _error("bad-character", message, span)
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
