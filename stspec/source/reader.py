"""Reads a file or a text: bytes are checked, parsed into events, composed into nodes.

Everything here is about hostile or broken input as much as about good input: what it returns is
a tree that keeps the rules of `nodes`, and the only exception it raises is SpecError.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from stspec.diagnostics import Diagnostic, Label, Span, SpecError, display_path, remember_text
from stspec.source.marks import BREAK, Place
from stspec.source.nodes import Mapping, Node, Origin, Scalar, Sequence, with_origin
from stspec.source.parser import parse

MAX_BYTES = 1 << 20
MOST_KEPT = 1 << 15
"""Characters of a text whose tree is kept for the next who asks; the longest shipped: a quarter."""

# What YAML 1.2 calls printable; PyYAML would stop at the rest with an error of its own.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


_known: ContextVar[dict[tuple[str, Origin], Mapping] | None] = ContextVar("files", default=None)


def read_file(
    path: str | os.PathLike[str],
    *,
    origin: Origin | None = None,
    noted: list[Diagnostic] | None = None,
) -> Mapping:
    """The tree of a YAML file; every node's origin is the file's name unless one is given.

    Mistakes that leave a tree to go on with, such as a key that is there twice, are put into
    `noted`, where that is given.

    Raises:
        SpecError: the file cannot be read, is too large (1 MB), or breaks the rules of the
            language; all that is wrong with it at once, as far as it can be parsed.
    """
    name = display_path(path)
    origin = (name,) if origin is None else origin
    known = _known.get()
    if known is not None and (name, origin) in known:
        return known[name, origin]
    before = len(noted or ())
    tree = _root(_decode(_read_bytes(Path(path), name), name), name, origin, noted)
    if known is not None and len(noted or ()) == before:
        known[name, origin] = tree
    return tree


@contextmanager
def reading_once() -> Iterator[None]:
    """Read each file but once while this lasts, for what composes many specs of the same files."""
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def read_text(text: str, name: str, *, origin: Origin | None = None) -> Mapping:
    """The tree of a YAML text; `name` (such as `<text>`) stands for the file in messages.

    Raises:
        SpecError: as `read_file`.
    """
    remember_text(name, text)
    return _root(_sized(text, name), name, (name,) if origin is None else origin)


def read_value(
    text: str, name: str, *, start: tuple[int, int] = (1, 1), origin: Origin | None = None
) -> Node:
    """The node of a YAML value (`5`, `[3, 4]`, `{op: max}`), such as an override's right side.

    `start` is the (line, column) of the value in the remembered text `name`.

    Raises:
        SpecError: as `read_file`.
    """
    _check_characters(_sized(text, name), Place(name, *start))
    node = parse(text, name, (name,) if origin is None else origin, start)
    if node is None:
        line, column = start
        span = Span(name, line, column, line, column + 1)
        raise _error("missing-value", "there is no value", span, "expected a value here")
    return node


def _root(text: str, name: str, origin: Origin, noted: list[Diagnostic] | None = None) -> Mapping:
    """Return the tree of a text. The families and backbones are many specs' own: they are kept."""
    tree, found = (_kept if len(text) <= MOST_KEPT else _parsed)(text, name, origin)
    if found:
        if noted is None:
            raise SpecError(*found)
        noted.extend(found)
    return tree


@lru_cache(maxsize=1024)
def _kept(text: str, name: str, origin: Origin) -> tuple[Mapping, tuple[Diagnostic, ...]]:
    own = (name,)
    if origin == own:
        return _parsed(text, name, own)
    kept, found = _kept(text, name, own)
    tree = with_origin(kept, origin)
    assert isinstance(tree, Mapping)
    return tree, found


def _parsed(text: str, name: str, origin: Origin) -> tuple[Mapping, tuple[Diagnostic, ...]]:
    """Return a text's tree, and the mistakes that leave one to go on with."""
    noted: list[Diagnostic] = []
    text = text.removeprefix("\ufeff")
    _check_characters(text, Place(name))
    node = parse(text, name, origin, noted=noted)
    start = Span(name, 1, 1, 1, 1)
    if node is None:
        raise _error("empty-file", "the file is empty", start, "expected keys and values")
    if isinstance(node, Mapping):
        return node, tuple(noted)
    found = "a list" if isinstance(node, Sequence) else "a single value"
    error = _error(
        "wrong-type",
        f"the file holds {found} instead of keys and values",
        node.span,
        "expected a mapping",
        help=_colon_hint(node),
    )
    raise SpecError(*noted, *error.diagnostics)


def _colon_hint(node: Node) -> str | None:
    if isinstance(node, Scalar) and isinstance(node.value, str) and ":" in node.value:
        return "write a space after the colon: `key: value`"
    return None


def _sized(text: str, name: str) -> str:
    if len(text) > MAX_BYTES:
        raise _file_error("too-large", f"`{name}` is larger than 1 MB", name)
    return text


def _read_bytes(path: Path, name: str) -> bytes:
    """The bytes of a regular file of at most MAX_BYTES (a device or a pipe could block)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise _file_error("unreadable-file", f"there is no file `{name}`", name) from None
    except IsADirectoryError:
        raise _directory(name) from None
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from None
    try:
        about = os.fstat(descriptor)
        if stat.S_ISDIR(about.st_mode):
            raise _directory(name)
        if not stat.S_ISREG(about.st_mode):
            raise _file_error("unreadable-file", f"`{name}` is not a regular file", name)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(name, error) from None
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise _file_error("too-large", f"`{name}` is larger than 1 MB", name)
    return data


def _directory(name: str) -> SpecError:
    message = f"`{name}` is a directory, expected a file"
    return _file_error("unreadable-file", message, name)


def _unreadable(name: str, error: OSError | ValueError) -> SpecError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    message = f"`{name}` cannot be read: {(reason or 'unknown reason').lower()}"
    return _file_error("unreadable-file", message, name)


def _decode(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _file_error(
            "bad-encoding", f"`{name}` is in UTF-16", name, help="save the file as UTF-8"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        # The BOM is no part of the text that `error.start` counts in when it was skipped.
        if data.startswith(b"\xef\xbb\xbf"):
            before = data[3 : 3 + error.start].decode("utf-8", errors="replace")
        raise _error(
            "bad-encoding",
            "the file is not UTF-8",
            _span_after(before, Place(name)),
            "this byte is no text in UTF-8",
            help="save the file as UTF-8",
        ) from None


def _check_characters(text: str, place: Place) -> None:
    found = []
    for match in _UNPRINTABLE.finditer(text):
        character = f"U+{ord(match.group()):04X}"
        found.append(
            Diagnostic(
                "bad-character",
                f"the text holds a character that YAML does not allow ({character})",
                (Label(_span_after(text[: match.start()], place), "remove this character"),),
            )
        )
        if len(found) == 10:  # a binary file: the rest says nothing new
            break
    if found:
        raise SpecError(*found)


def _span_after(before: str, place: Place) -> Span:
    lines = BREAK.split(before)
    line, column = len(lines) - 1, len(lines[-1])
    return place.span(line, column, line, column + 1)


def _error(code: str, message: str, span: Span, label: str, help: str | None = None) -> SpecError:
    return SpecError(Diagnostic(code, message, (Label(span, label),), help))


def _file_error(code: str, message: str, name: str, help: str | None = None) -> SpecError:
    return SpecError(Diagnostic(code, message, (), help))
