"""Events of PyYAML become nodes, and what the language leaves out of YAML is refused.

Built on events rather than on `yaml.compose`: composing recurses without bound (in C, so deep
nesting would end the process) and has already followed aliases and lost anchors and duplicates
by the time one could ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from stspec.diagnostics import Diagnostic, Label, Span, SpecError
from stspec.source.marks import BREAK, Place
from stspec.source.nodes import MAX_DEPTH, Mapping, Node, Origin, Scalar, Sequence
from stspec.source.scalars import NumberRangeError, forbidden_character, is_integer, parse_plain
from stspec.source.syntax import explain

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# After so many mistakes the rest of a file is not worth reading.
_MOST_ERRORS = 50


def parse(
    text: str,
    name: str,
    origin: Origin,
    start: tuple[int, int] = (1, 1),
    noted: list[Diagnostic] | None = None,
) -> Node | None:
    """The root node of a YAML text of printable characters, or None where it holds nothing.

    `start` is the (line, column) at which the text stands in what messages call `name`. Mistakes
    that leave a tree to go on with are put into `noted`, where that is given.

    Raises:
        SpecError: every mistake that was found.
    """
    composer = _Composer(Place(name, *start), origin)
    try:
        root = composer.document(_events(text))
    except yaml.MarkedYAMLError as error:
        composer.errors.append(explain(error, text, composer.place))
        root = None
    except (yaml.YAMLError, ValueError, OverflowError):
        # The pure-Python scanner lets an impossible escape such as "\UFFFFFFFF" fall through.
        label = Label(composer.place.span(0, 0, 0, 0), "somewhere in this file")
        composer.errors.append(Diagnostic("bad-yaml", "the text is not valid YAML", (label,)))
        root = None
    except _StopError:
        root = None
    if composer.errors:
        if noted is None or root is None:
            raise SpecError(*composer.errors)
        noted.extend(composer.errors)
    return root


def _events(text: str) -> Iterator[Any]:
    return iter(yaml.parse(text, Loader=_LOADER))


class _StopError(Exception):
    """What follows cannot be read; the reason is among the errors."""


@dataclass
class _Composer:
    """Reads one document from the stream of events, noting mistakes as it goes."""

    place: Place
    origin: Origin
    errors: list[Diagnostic] = field(default_factory=list)

    def document(self, events: Iterator[Any]) -> Node | None:
        """The root node of the only document, None where there is none."""
        root: Node | None = None
        seen = False
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    span = self._span(event)
                    self._note(
                        "several-documents",
                        "a file holds one document",
                        span,
                        "a second one starts here",
                        "move it to a file of its own, or remove the `---`",
                    )
                    raise _StopError
                seen = True
                root = self._root(events)
        return root

    def _root(self, events: Iterator[Any]) -> Node | None:
        event = next(events)
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and not event.value:
            return None
        return self._node(event, events, 1)

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        self._refuse_extras(event)
        if isinstance(event, yaml.AliasEvent):
            return Scalar(None, self._span(event), self.origin)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if depth > MAX_DEPTH:
            self._note(
                "too-deep",
                f"values are nested more than {MAX_DEPTH} deep",
                self._span(event),
                "this level is too deep",
            )
            raise _StopError
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, events, depth)
        return self._mapping(event, events, depth)

    def _sequence(self, start: Any, events: Iterator[Any], depth: int) -> Sequence:
        items: list[Node] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            if self._is_empty(event):
                self._note(
                    "missing-value", "this list has an empty item", self._span(event), "no value"
                )
            items.append(self._node(event, events, depth + 1))
        span = self._between(start, event, items[-1] if items else None)
        return Sequence(tuple(items), span, self.origin)

    def _mapping(self, start: Any, events: Iterator[Any], depth: int) -> Mapping:
        entries: dict[str, tuple[Scalar, Node]] = {}
        last: Node | None = None
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event, events, depth)
            value = next(events)
            if key is not None and self._is_empty(value):
                self._no_value(key)
            last = self._node(value, events, depth + 1)
            if key is None:
                continue
            text = str(key.value)
            if text in entries:
                self._duplicate(text, key.span, entries[text][0].span)
            else:
                entries[text] = (key, last)
        span = self._between(start, event, last)
        return Mapping(tuple(entries.values()), span, self.origin)

    def _key(self, event: Any, events: Iterator[Any], depth: int) -> Scalar | None:
        """The key as a string scalar, or None (and a note) where it cannot be one."""
        if not isinstance(event, yaml.ScalarEvent):
            # Read it through, so that what comes after is still checked.
            is_alias = isinstance(event, yaml.AliasEvent)
            node = self._node(event, events, depth + 1)
            if not is_alias:
                self._note("bad-key", "a key must be text", node.span, "not text")
            return None
        self._refuse_extras(event)
        span = self._span(event)
        if not event.implicit[0] or is_integer(event.value):
            if forbidden_character(event.value) or BREAK.search(event.value):
                self._note("bad-key", "a key is one line of text", span, "more than that")
                return None
            return Scalar(event.value, span, self.origin)
        if event.value == "<<":
            self._note(
                "merge-key",
                "merge keys are not part of the language",
                span,
                "remove this key",
                "use `extends` to build on another spec",
            )
            return None
        node = self._scalar(event)
        if isinstance(node.value, str):
            return node
        self._note(
            "bad-key",
            "a key must be text",
            span,
            f"YAML reads this as {_kind(node)}" if event.value else "there is no key here",
            f'put it in quotes: "{event.value}"' if event.value else None,
        )
        return None

    def _scalar(self, event: Any) -> Scalar:
        span = self._span(event)
        value = event.value
        if event.implicit[0]:
            try:
                value = parse_plain(event.value)
            except NumberRangeError:
                self._note(
                    "bad-number", "this number is too large", span, "does not fit in 64 bits"
                )
        elif found := forbidden_character(value):
            message = f"this text holds a control character ({found})"
            self._note("bad-character", message, span, "escaped in this text")
        return Scalar(value, span, self.origin)

    def _refuse_extras(self, event: Any) -> None:
        span = self._span(event)
        if isinstance(event, yaml.AliasEvent):
            self._note(
                "alias",
                "anchors and aliases are not part of the language",
                span,
                "an alias",
                "write the value out, or use `extends` to build on another spec",
            )
            return
        if event.anchor is not None:
            self._note(
                "alias",
                "anchors and aliases are not part of the language",
                Span(span.file, span.line, span.column, span.line, span.column + 1),
                f"the anchor `{event.anchor}`",
                "write the value out, or use `extends` to build on another spec",
            )
        if event.tag is not None:
            self._note(
                "tag",
                "tags are not part of the language",
                Span(span.file, span.line, span.column, span.line, span.column + 1),
                "a tag",
                "remove it: what a value is follows from how it is written",
            )

    def _is_empty(self, event: Any) -> bool:
        return (
            isinstance(event, yaml.ScalarEvent)
            and bool(event.implicit[0])
            and not event.value
            and event.anchor is None
        )

    def _no_value(self, key: Scalar) -> None:
        self._note(
            "missing-value",
            f"the key `{key.value}` has no value",
            key.span,
            "expected a value after this key",
            "write `null` to remove an inherited value, `{}` for an empty mapping",
        )

    def _duplicate(self, key: str, span: Span, first: Span) -> None:
        self.errors.append(
            Diagnostic(
                "duplicate-key",
                f"the key `{key}` is there twice",
                (Label(span, "again here"), Label(first, "first here", primary=False)),
                "keep one of the two",
            )
        )
        self._limit()

    def _note(
        self, code: str, message: str, span: Span, label: str, help: str | None = None
    ) -> None:
        self.errors.append(Diagnostic(code, message, (Label(span, label),), help))
        self._limit()

    def _limit(self) -> None:
        if len(self.errors) >= _MOST_ERRORS:
            raise _StopError

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        return self.place.span(start.line, start.column, end.line, end.column)

    def _between(self, start: Any, end: Any, last: Node | None) -> Span:
        """A collection's span; a block's last event stands far below it, its last child not."""
        first, close = start.start_mark, end.end_mark
        span = self.place.span(first.line, first.column, close.line, close.column)
        if last is None or start.flow_style:
            return span
        return replace(span, end_line=last.span.end_line, end_column=last.span.end_column)


def _kind(node: Scalar) -> str:
    if node.value is None:
        return "null"
    if isinstance(node.value, bool):
        return "true or false"
    return "a number"
