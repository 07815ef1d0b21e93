"""A resolved spec as YAML in which a comment says of every value where it was written.

The text is a spec itself: read again, it gives the same model.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stspec.compose.locate import data_root
from stspec.source.nodes import Mapping, Node, Scalar, Sequence

_PLAIN = re.compile(r"[A-Za-z_][\w./()+-]*( [\w./()+-]+)*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_STEP = "  "
_FIRST = ("stspec", "name", "about", "title", "paper")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of YAML and where its value comes from."""

    text: str
    origin: str


def annotate(tree: Mapping, width: int = 80) -> str:
    """Return a resolved tree as YAML, its origins in a column of comments.

    Args:
        tree: what `resolve` gives; its own name is left out, since a file gives one.
        width: columns that lines may have, as far as names allow.
    """
    lines = list(_mapping(tree.without("name"), "", width))
    widest = max((len(line.origin) for line in lines), default=0)
    longest = max((len(line.text) for line in lines), default=0)
    column = max(24, min(longest, width - widest - 4))
    shown = (f"{x.text:<{column}}  # {x.origin}" if x.origin else x.text for x in lines)
    return "\n".join(shown) + "\n"


def origin(node: Node) -> str:
    """Return where a node was written: families/tam.yaml:4, variant resnet50_tp, or --set."""
    if not node.origin:
        return node.span.file
    first = node.origin[0]
    if first.startswith("variant "):
        return f"{_short(node.span.file)}:{node.span.line}, {first}"
    if first.startswith("-") or first.startswith("<"):
        return first
    return f"{_short(node.span.file)}:{node.span.line}"


@cache
def _short(file: str) -> str:
    """Return a shipped spec's path from its folder on, another's as it is."""
    try:
        return str(Path(file).resolve().relative_to(data_root() / "specs"))
    except ValueError:
        return file


def _mapping(node: Mapping, indent: str, width: int) -> Iterator[Line]:
    # Merged mappings have their parents' keys in front; texts about a thing read better there.
    entries = sorted(node.entries, key=lambda entry: entry[0].value not in _FIRST)
    for key, value in entries:
        yield from _entry(f"{indent}{_scalar(key.value)}:", value, indent, width)


def _entry(head: str, value: Node, indent: str, width: int) -> Iterator[Line]:
    where = origin(value)
    room = width - len(where) - 4
    flat = f"{head} {flow(value)}"
    if _is_flat(value) and (len(flat) <= room or not _can_break(value)):
        yield Line(flat, where)
    elif isinstance(value, Scalar):
        yield Line(f"{head} >-", where)
        for text in textwrap.wrap(str(value.value), max(24, room - len(indent) - 2)):
            yield Line(f"{indent}{_STEP}{text}", "")  # a comment here would be part of the text
    elif isinstance(value, Mapping):
        yield Line(head, where)
        yield from _mapping(value, indent + _STEP, width)
    else:
        yield Line(head, where)
        yield from _items(value, indent + _STEP, width)


def _items(node: Sequence, indent: str, width: int) -> Iterator[Line]:
    for item in node.items:
        where = origin(item)
        if not isinstance(item, Mapping) or len(flow(item)) + len(indent) + len(where) + 6 <= width:
            yield Line(f"{indent}- {flow(item)}", where)
            continue
        lines = list(_mapping(item, indent + _STEP, width))
        first = f"{indent}- {lines[0].text[len(indent) + 2 :]}"
        yield Line(first, lines[0].origin)
        yield from lines[1:]


def _is_flat(node: Node) -> bool:
    """Tell whether a value may stand on one line: all of it was written in one place."""
    return len({origin(leaf) for leaf in _leaves(node)}) <= 1


def _leaves(node: Node) -> Iterator[Node]:
    if isinstance(node, Mapping) and node.entries:
        for _, value in node.entries:
            yield from _leaves(value)
    elif isinstance(node, Sequence) and node.items:
        for item in node.items:
            yield from _leaves(item)
    else:
        yield node


def _can_break(node: Node) -> bool:
    if isinstance(node, Scalar):
        # Folded text is read back with single spaces, so only such text may be folded.
        text = node.value
        return (
            isinstance(text, str)
            and " " in text
            and text == " ".join(text.split())
            and (text.isprintable())
        )
    return len(node) > 0


def flow(node: Node) -> str:
    """Return a node on one line."""
    if isinstance(node, Mapping):
        return "{" + ", ".join(f"{_scalar(k.value)}: {flow(v)}" for k, v in node.entries) + "}"
    if isinstance(node, Sequence):
        return "[" + ", ".join(flow(item) for item in node.items) + "]"
    return _scalar(node.value)


def _scalar(value: object) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
