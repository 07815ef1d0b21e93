"""Override paths (`policy.temporal.tam.kernel`): parsing them, and setting what they name."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, replace
from typing import Any

from stspec.compose.merge import is_null, merge, prune
from stspec.diagnostics import Diagnostic, Label, Span, SpecError, remember_text
from stspec.source import Mapping, Node, Scalar, Sequence, from_python, read_value
from stspec.source.marks import BREAK
from stspec.source.nodes import MAX_DEPTH, Origin, describe

SET = "<--set>"


@dataclass(frozen=True, slots=True)
class Override:
    """A value to set at a path; each segment is a scalar that knows where it was written."""

    path: tuple[Scalar, ...]
    value: Node

    @property
    def dotted(self) -> str:
        """The path as it is written."""
        return dotted(self.path)


def dotted(path: Iterable[Scalar]) -> str:
    """Segments joined by dots."""
    return ".".join(str(segment.value) for segment in path)


def parse_overrides(
    overrides: Iterable[str | tuple[str, Any] | Override], span: Span
) -> tuple[list[Override], list[Diagnostic]]:
    """Overrides given as text (`clip.frames=16`), as pairs or parsed; what is wrong with others.

    All texts together are remembered under the name `<--set>`, one after the other; a pair's
    value and path are placed at `span`. One text alone, and a dict, are what they look like.
    """
    if isinstance(overrides, str):
        overrides = [overrides]
    elif isinstance(overrides, AnyMapping):
        overrides = list(overrides.items())
    elif not isinstance(overrides, Iterable):
        return [], [_no_override(overrides, span)]
    given = list(overrides)
    texts = [item for item in given if isinstance(item, str)]
    if texts:
        remember_text(SET, "\n".join(texts))
    parsed: list[Override] = []
    errors: list[Diagnostic] = []
    line = 1
    for item in given:
        try:
            if isinstance(item, Override):
                parsed.append(item)
            elif isinstance(item, str):
                parsed.append(_parse_text(item, line))
                line += len(BREAK.findall(item)) + 1
            elif isinstance(item, tuple | list) and len(item) == 2 and isinstance(item[0], str):
                parsed.append(_parse_pair((item[0], item[1]), span))
            else:
                errors.append(_no_override(item, span))
        except SpecError as error:
            errors.extend(error.diagnostics)
            line += len(BREAK.findall(item)) + 1 if isinstance(item, str) else 0
    return parsed, errors


def _no_override(item: object, span: Span) -> Diagnostic:
    message = f"an override cannot be a Python value of type {type(item).__name__}"
    label = Label(span, "given here")
    help = "write 'clip.frames=16', or ('clip.frames', 16), or a list of such"
    return Diagnostic("bad-override", message, (label,), help)


def parse_path(
    text: str, span: Span, origin: Origin, *, in_text: bool = True
) -> tuple[Scalar, ...]:
    """The segments of a dotted path that stands at `span` (not `in_text`: is said there).

    Raises:
        SpecError: `bad-path`, for an empty segment or white space, or too many segments.
    """
    # Segments can be told apart only where the text stands as it is (no quotes, one line).
    exact = in_text and span.line == span.end_line and span.end_column - span.column == len(text)
    segments: list[Scalar] = []
    column = span.column
    for part in text.split("."):
        end = column + len(part)
        at = Span(span.file, span.line, column, span.line, end) if exact else span
        if not part or part != part.strip() or any(c.isspace() for c in part):
            what = "a space" if part.strip() else "an empty key"
            raise _error(
                "bad-path", f"the path `{text}` has {what}", at, "expected a key", _EXAMPLE
            )
        segments.append(Scalar(part, at, origin))
        column = end + 1
    if len(segments) > MAX_DEPTH:
        raise _error("bad-path", f"the path has more than {MAX_DEPTH} keys", span, "too long")
    return tuple(segments)


_EXAMPLE = "a path is keys joined by dots: `clip.frames=16`"


def _parse_text(text: str, line: int) -> Override:
    path, equals, value = text.partition("=")
    whole = Span(SET, line, 1, line, len(text) + 1)
    if BREAK.search(path) or not equals:
        message = f"the override `{text}` has no `=`"
        raise _error("bad-override", message, whole, "expected `path=value`", _EXAMPLE)
    stripped = path.strip()
    start = 1 + len(path) - len(path.lstrip())
    span = Span(SET, line, start, line, start + len(stripped))
    segments = parse_path(stripped, span, ("--set",))
    if not value.strip():
        at = Span(SET, line, len(path) + 1, line, len(path) + 2)
        raise _error(
            "missing-value",
            f"the override of `{stripped}` has no value",
            at,
            "expected a value after this",
            f"write `{stripped}=null` to remove the key",
        )
    node = read_value(value, SET, start=(line, len(path) + 2), origin=("--set",))
    return Override(segments, node)


def _parse_pair(pair: tuple[str, Any], span: Span) -> Override:
    path, value = pair
    if isinstance(value, Scalar | Sequence | Mapping):  # written in a file: told about there
        span = value.span
    segments = parse_path(path, span, ("override",), in_text=False)
    return Override(segments, from_python(value, span, origin=("override",)))


def put(tree: Mapping, override: Override) -> Mapping:
    """The tree with the override's value merged in at its path; null removes the key.

    Keys that are not there yet are made; whether they may exist is for the schema to say.

    Raises:
        SpecError: `no-such-path`, where the path goes through a scalar, or is no index of a list.
    """
    changed = _put(tree, override, 0)
    assert isinstance(changed, Mapping)
    return changed


def _put(node: Node, override: Override, at: int) -> Node:
    if at == len(override.path):
        if isinstance(node, Mapping) and isinstance(override.value, Mapping):
            return merge(node, override.value)
        return prune(override.value)
    if isinstance(node, Mapping):
        return _put_key(node, override, at)
    if isinstance(node, Sequence):
        return _put_item(node, override, at)
    raise _no_such_path(override, at, node, f"is {describe(node)}, which has no keys")


def _put_key(node: Mapping, override: Override, at: int) -> Mapping:
    segment = override.path[at]
    name = str(segment.value)
    last = at + 1 == len(override.path)
    if last and is_null(override.value):
        return replace(node.without(name), removed=(*node.removed, segment))
    below = node.get(name)
    if below is None and not last:
        if is_null(override.value):  # there is nothing to remove
            return node
        below = Mapping((), override.path[at + 1].span, segment.origin)
    if below is None:
        return node.with_entry(segment, prune(override.value))
    return node.with_entry(segment, _put(below, override, at + 1))


def _put_item(node: Sequence, override: Override, at: int) -> Sequence:
    text = str(override.path[at].value)
    index = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
    if not 0 <= index < len(node.items):
        count = len(node.items)
        span = f"0 to {count - 1}" if count else "no items"
        raise _no_such_path(override, at, node, f"is a list whose items are {span}")
    items = list(node.items)
    items[index] = _put(items[index], override, at + 1)
    return Sequence(tuple(items), node.span, node.origin)


def _no_such_path(override: Override, at: int, node: Node, reason: str) -> SpecError:
    here = f"`{dotted(override.path[:at])}`"
    labels = [Label(override.path[at].span, f"{here} {reason}")]
    if node.span != labels[0].span:  # in Python both may be the same call
        labels.append(Label(node.span, f"{here} is set here", primary=False))
    message = f"the path `{override.dotted}` leads nowhere"
    return SpecError(Diagnostic("no-such-path", message, tuple(labels), f"set {here} as a whole"))


def _error(code: str, message: str, span: Span, label: str, help: str | None = None) -> SpecError:
    return SpecError(Diagnostic(code, message, (Label(span, label),), help))
