"""A target, a variant and overrides become one tree.

The order, each step over the one before: the parents that `extends` names, the spec itself, the
variant's row, the overrides. `policy` and `backbone` are expanded as soon as they name a file, so
that every later step merges into (or points at) what the file holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stspec.compose.kinds import no_model
from stspec.compose.locate import Kind, find, locate_model
from stspec.compose.merge import is_null, merge
from stspec.compose.paths import Override, parse_overrides, parse_path, put
from stspec.compose.version import LANGUAGE, check_version
from stspec.diagnostics import Diagnostic, Label, Span, SpecError, did_you_mean, display_path
from stspec.source import Mapping, Node, Origin, Scalar, from_python, read_file
from stspec.source.nodes import MAX_DEPTH, describe, with_origin
from stspec.source.python import caller_span

REFERENCES: tuple[Kind, ...] = ("backbone", "policy")
PATHWAYS = "pathways"
# Keys that a file may have but its children do not inherit.
_OWN = ("about", "extends", "variants")
# Keys that neither a variant nor an override can set.
_FIXED = ("stspec", "name", "extends", "variants")


@dataclass(frozen=True, slots=True)
class Composed:
    """A spec in full: its name, its tree, and the files that it was made from."""

    name: str
    tree: Mapping
    files: tuple[Path, ...]


def resolve(
    target: str | Path | AnyMapping[str, Any] | Mapping,
    overrides: Iterable[str | tuple[str, Any] | Override] = (),
    variant: str | None = None,
) -> Composed:
    """Compose a spec.

    Args:
        target: a name (`tam_resnet50`, `tam:resnet50_tp`), a path (`my.yaml`, `my.yaml:wide`),
            or a spec as a dict or a tree.
        overrides: `"clip.frames=16"`, `("clip.frames", 16)` or parsed ones, applied in order.
        variant: a row of the target's `variants`.

    Returns:
        The tree has no `extends` and no `variants`; `policy` and `backbone` are mappings in full
        and have a `name` where they came from a file, as the spec itself has.

    Raises:
        SpecError: everything that was found wrong.
    """
    composed, errors = compose(target, overrides, variant, caller_span())
    if errors:
        raise SpecError(*errors)
    return composed


def compose(
    target: str | Path | AnyMapping[str, Any] | Mapping,
    overrides: Iterable[str | tuple[str, Any] | Override],
    variant: str | None,
    span: Span,
) -> tuple[Composed, list[Diagnostic]]:
    """As `resolve`, from what can be read, with what is wrong beside it.

    `span` is where the target and the overrides were written, if in Python.
    """
    resolver = _Resolver()
    changes, errors = parse_overrides(overrides, span)
    resolver.errors.extend(errors)
    name, tree = resolver.model(target, variant, span)
    for change in changes:
        tree = resolver.override(tree, change)
    composed = Composed(name, _named(tree, name, first=True), resolver.used(tree))
    return composed, resolver.errors


@dataclass(frozen=True, slots=True)
class _Step:
    """One step on the way along `extends`: the file (and variant), and who named it."""

    path: Path
    variant: str | None
    named_at: Span | None


@dataclass
class _Resolver:
    """Reads and merges, and collects what is wrong."""

    errors: list[Diagnostic] = field(default_factory=list)
    own: list[Path] = field(default_factory=list)
    paths: dict[str, Path] = field(default_factory=dict)

    def model(
        self, target: str | Path | AnyMapping[str, Any] | Mapping, variant: str | None, span: Span
    ) -> tuple[str, Mapping]:
        """The target's name and its tree, without overrides."""
        nothing = Mapping((), span)
        if variant is not None and not isinstance(variant, str):
            message = f"a variant cannot be a Python value of type {type(variant).__name__}"
            self._note("wrong-type", message, span, "expected the name of a row of `variants`")
            return "", nothing
        if isinstance(target, str | Path):
            try:
                path, row = locate_model(target) if isinstance(target, str) else (target, None)
            except SpecError as error:
                self.errors.extend(error.diagnostics)
                return "", nothing
            row = variant or row
            name = path.stem if row is None else f"{path.stem}_{row}"
            return name, self._model_file(path, row, ()) or nothing
        tree = target if isinstance(target, Mapping) else self._tree(target, span)
        if tree is None:
            return "", nothing
        given = tree.get("name")
        name = str(given.value) if isinstance(given, Scalar) else "custom"
        if "stspec" not in tree:
            tree = tree.with_entry(Scalar("stspec", span), Scalar(LANGUAGE, span))
        self._check(tree)
        return (f"{name}_{variant}" if variant else name), self._layers(tree, variant, (), Path())

    def _tree(self, target: object, span: Span) -> Mapping | None:
        """The tree of a spec made in Python; None, with a note, where that is none."""
        if isinstance(target, AnyMapping):
            tree = from_python(target, span)
            assert isinstance(tree, Mapping)
            return tree
        message = f"a spec cannot be a Python value of type {type(target).__name__}"
        self._note("wrong-type", message, span, "expected a name, a file, or a dict")
        return None

    def override(self, tree: Mapping, change: Override) -> Mapping:
        """The tree with one change made; an error is noted and leaves the tree as it was."""
        head = change.path[0]
        try:
            if head.value in _FIXED:
                message = f"`{head.value}` cannot be overridden"
                self._note("fixed-key", message, head.span, "not a setting")
                return tree
            if _sets_file(change) and not is_null(change.value):
                return self._over(tree, _nest(change.path, change.value))
            return put(tree, change)
        except SpecError as error:
            self.errors.extend(error.diagnostics)
            return tree

    def used(self, tree: Mapping) -> tuple[Path, ...]:
        """The spec's own chain of files, and those that a value of the tree comes from."""
        seen: dict[str, None] = {}
        _files_of(tree, seen)
        found = dict.fromkeys(self.own)
        found.update(dict.fromkeys(self.paths[name] for name in seen if name in self.paths))
        return tuple(found)

    def _read(self, path: Path, via: Origin) -> Mapping | None:
        try:
            tree = read_file(path, origin=(display_path(path), *via), noted=self.errors)
        except SpecError as error:
            self.errors.extend(error.diagnostics)
            return None
        self.paths[tree.span.file] = path
        self._check(tree)
        if (name := tree.key("name")) is not None:
            self._note("fixed-key", "a spec is named by its file", name.span, "remove this key")
        return tree

    def _check(self, tree: Mapping) -> None:
        if problem := check_version(tree):
            self.errors.append(problem)

    def _model_file(
        self, path: Path, variant: str | None, chain: tuple[_Step, ...], via: Origin = ()
    ) -> Mapping | None:
        tree = self._read(path, via)
        if tree is None:
            return None
        if (other := no_model(tree)) is not None:
            self.errors.append(other)
            return None
        self.own.append(path)
        step = _Step(path.resolve(), variant, None)
        return self._layers(tree, variant, (*chain, step), path.parent)

    def _layers(
        self, tree: Mapping, variant: str | None, chain: tuple[_Step, ...], folder: Path
    ) -> Mapping:
        """A file's tree over its parents', then its variant over both."""
        parent = self._parent("model", tree, chain, folder)
        self._check_variants(tree)
        whole = self._over(parent, tree.without("extends", "variants", "name"))
        if variant is None:
            return whole
        whole = whole.without("about")
        for change in self._row(tree, variant):
            whole = self.override(whole, change)
        return whole

    def _parent(self, kind: Kind, tree: Mapping, chain: tuple[_Step, ...], folder: Path) -> Mapping:
        """What `extends` names, without what is not inherited; empty where there is none."""
        node = tree.get("extends")
        nothing = Mapping((), tree.span, tree.origin)
        if node is None or is_null(node):
            return nothing
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            label = f"expected a name or a path, found {describe(node)}"
            self._note("wrong-type", "`extends` names one spec", node.span, label)
            return nothing
        try:
            path, variant = self._locate(kind, node.value, folder, node.span)
        except SpecError as error:
            self.errors.extend(error.diagnostics)
            return nothing
        chain = (*chain[:-1], _Step(chain[-1].path, chain[-1].variant, node.span)) if chain else ()
        if (path.resolve(), variant) in [(step.path, step.variant) for step in chain]:
            self.errors.append(_circular(chain, path.resolve(), variant))
            return nothing
        if len(chain) >= MAX_DEPTH:
            message = f"specs extend one another more than {MAX_DEPTH} deep"
            self._note("too-deep", message, node.span, "this one is too deep")
            return nothing
        via = (f"extended by {tree.origin[0]}", *tree.origin[1:]) if tree.origin else ()
        if kind == "model":
            found = self._model_file(path, variant, chain, via)
        else:
            found = self._part(kind, path, chain, via)
        return found.without("about") if found else nothing

    def _locate(self, kind: Kind, name: str, folder: Path, span: Span) -> tuple[Path, str | None]:
        if kind == "model":
            return locate_model(name, folder, span)
        return find(kind, name, folder, span), None

    def _part(
        self, kind: Kind, path: Path, chain: tuple[_Step, ...], via: Origin
    ) -> Mapping | None:
        """A backbone's or a policy's file over its parents', named by the file."""
        tree = self._read(path, via)
        if tree is None:
            return None
        step = _Step(path.resolve(), None, None)
        parent = self._parent(kind, tree, (*chain, step), path.parent)
        whole = merge(parent, tree.without("extends", "stspec", "name"))
        return _named(whole, path.stem, first=True)

    def _over(self, parent: Mapping, child: Mapping) -> Mapping:
        """`child` over `parent` where `policy` and `backbone` may name files, pathways' too."""
        parent, child = self._referring(parent, child)
        key, beside = child.key(PATHWAYS), child.get(PATHWAYS)
        if key is not None and isinstance(beside, Mapping):
            before = parent.get(PATHWAYS)
            for name, stack in beside.entries:
                own = before.get(str(name.value)) if isinstance(before, Mapping) else None
                if not isinstance(stack, Mapping):
                    continue
                empty = Mapping((), stack.span)
                own, stack = self._referring(own if isinstance(own, Mapping) else empty, stack)
                beside = beside.with_entry(name, stack)
                if isinstance(before, Mapping) and str(name.value) in before:
                    before = before.with_entry(name, own)
            child = child.with_entry(key, beside)
            if isinstance(before, Mapping):
                parent = parent.with_entry(key, before)
        return merge(parent, child)

    def _referring(self, parent: Mapping, child: Mapping) -> tuple[Mapping, Mapping]:
        """Both, with what their `policy` and `backbone` name in place."""
        for kind in REFERENCES:
            key, value = child.key(kind), child.get(kind)
            if key is None or value is None or is_null(value):
                continue
            expanded = self._expand(kind, value)
            if expanded is not None:
                # What names a file replaces the parent's whole; only other mappings merge.
                if names_a_file(value) and kind in parent:
                    parent = parent.with_entry(key, expanded)
                child = child.with_entry(key, expanded)
        return parent, child

    def _expand(self, kind: Kind, value: Node) -> Node | None:
        """What a string or a mapping with `extends` stands for; None where that is unknown."""
        if not names_a_file(value):
            return value
        reference = value.get("extends") if isinstance(value, Mapping) else value
        assert reference is not None
        if not isinstance(reference, Scalar) or not isinstance(reference.value, str):
            label = f"expected a name or a path, found {describe(reference)}"
            self._note("wrong-type", f"`extends` names one {kind}", reference.span, label)
            return None
        home = self.paths.get(reference.span.file)
        folder = home.parent if home else Path()
        try:
            path, _ = self._locate(kind, reference.value, folder, reference.span)
        except SpecError as error:
            self.errors.extend(error.diagnostics)
            return None
        named_by = reference.origin or ("python",)
        found = self._part(kind, path, (), (f"named by {named_by[0]}", *named_by[1:]))
        if found is None or not isinstance(value, Mapping):
            return found
        return merge(found, value.without("extends"))

    def _check_variants(self, tree: Mapping) -> None:
        rows = tree.get("variants")
        if rows is None or is_null(rows):
            return
        if not isinstance(rows, Mapping):
            label = f"expected a mapping, found {describe(rows)}"
            self._note("wrong-type", "`variants` maps names to overrides", rows.span, label)
            return
        for _, row in rows.entries:
            if not isinstance(row, Mapping):
                label = f"expected a mapping, found {describe(row)}"
                self._note("wrong-type", "a variant maps paths to values", row.span, label)

    def _row(self, tree: Mapping, variant: str) -> list[Override]:
        """The overrides of a variant, in order."""
        rows = tree.get("variants")
        row = rows.get(variant) if isinstance(rows, Mapping) else None
        if not isinstance(row, Mapping):
            if row is None:
                self._no_variant(tree, variant)
            return []
        origin = (f"variant {variant}", *tree.origin)
        changes = []
        for key, value in row.entries:
            try:
                path = parse_path(str(key.value), key.span, origin)
            except SpecError as error:
                self.errors.extend(error.diagnostics)
                continue
            changes.append(Override(path, with_origin(value, origin)))
        return changes

    def _no_variant(self, tree: Mapping, variant: str) -> None:
        rows, key = tree.get("variants"), tree.key("variants")
        choices = rows.keys() if isinstance(rows, Mapping) else ()
        labels = (Label(key.span, "the variants are listed here"),) if key else ()
        message = f"there is no variant `{variant}` in `{tree.span.file}`"
        help = did_you_mean(variant, choices) or "this spec has no variants"
        self.errors.append(Diagnostic("unknown-variant", message, labels, help))

    def _note(self, code: str, message: str, span: Span, label: str) -> None:
        self.errors.append(Diagnostic(code, message, (Label(span, label),)))


def _sets_file(change: Override) -> bool:
    """Whether an override may name files: a whole pathway, policy or backbone."""
    names = [str(segment.value) for segment in change.path]
    if names[0] == PATHWAYS:
        names = names[2:]
        if not names:
            return isinstance(change.value, Mapping)
    return bool(names) and names[0] in REFERENCES and names[1:] in ([], ["extends"])


def names_a_file(value: Node) -> bool:
    """Whether the value of `policy` or `backbone` refers to a file: text, or has `extends`."""
    if isinstance(value, Mapping):
        return "extends" in value
    return isinstance(value, Scalar) and isinstance(value.value, str)


def _nest(path: tuple[Scalar, ...], value: Node) -> Mapping:
    for segment in reversed(path):
        value = Mapping(((segment, value),), segment.span, segment.origin)
    assert isinstance(value, Mapping)
    return value


def _named(tree: Mapping, name: str, *, first: bool = False) -> Mapping:
    at = Span(tree.span.file, tree.span.line, tree.span.column, tree.span.line, tree.span.column)
    entry = (Scalar("name", at, tree.origin), Scalar(name, at, tree.origin))
    rest = tree.without("name").entries
    return replace(tree, entries=(entry, *rest) if first else (*rest, entry))


def _files_of(node: Node, seen: dict[str, None]) -> None:
    seen[node.span.file] = None
    if isinstance(node, Mapping):
        for key, value in node.entries:
            seen[key.span.file] = None
            _files_of(value, seen)


def _circular(chain: tuple[_Step, ...], path: Path, variant: str | None) -> Diagnostic:
    steps = [(step.path, step.variant) for step in chain]
    loop = chain[steps.index((path, variant)) :]
    shown = [f"`{_shown(step.path, step.variant)}`" for step in loop]
    labels = [
        Label(step.named_at, f"extends {name}", primary=False)
        for step, name in zip(loop[:-1], shown[1:], strict=True)
        if step.named_at
    ]
    closing = loop[-1].named_at
    if closing:
        labels.insert(0, Label(closing, f"leads back to {shown[0]}"))
    chain_text = " -> ".join([*shown, shown[0]])
    message = "a spec cannot extend itself"
    return Diagnostic("circular-extends", message, tuple(labels), f"the chain is {chain_text}")


def _shown(path: Path, variant: str | None) -> str:
    return display_path(path) + (f":{variant}" if variant else "")
