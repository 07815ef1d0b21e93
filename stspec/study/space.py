"""What YAML says of a study's runs becomes a space of axes; a mistake is told in its place."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stspec.compose.locate import find, is_path, locate_model
from stspec.compose.paths import Override, parse_path
from stspec.diagnostics import Diagnostic, Label, SpecError, did_you_mean
from stspec.schema.models import Model
from stspec.schema.validate import field_keys
from stspec.source import Mapping as Tree
from stspec.source import Node, Scalar, Sequence, to_plain
from stspec.source.nodes import Plain, describe
from stspec.study.grid import OWN, Adjustment, After, Axis, Choice, Condition, Space, label, same
from stspec.train.recipe import RECIPES, Recipe

PREVIOUS = "previous"
_FILES = ("base", "recipe", "policy", "backbone")
"""Settings that may name a file beside the study."""

Known = Mapping[str, tuple[Plain, ...]]
"""Values by axis."""


def known_values(tree: Tree) -> Known:
    """Return the values of the axes of a study, as far as it can be read."""
    space, _ = read_space(tree, {})
    return _values(space)


def read_space(tree: Tree, known: Known) -> tuple[Space, list[Diagnostic]]:
    """Return the runs that a study asks for, and what is wrong with what it says.

    Nodes of a wrong type are passed over: the schema tells of them.

    Args:
        tree: the study.
        known: values that axes had before overrides; conditions may speak of them.
    """
    reader = _Reader()
    data = tree.get("data")
    reader.data = data.keys() if isinstance(data, Tree) else ()
    common = reader.defaults(tree) + reader.settings(tree.get("set"))
    grid = reader.grid(tree.get("grid"), tree.get("zip"))
    include = tuple(reader.block(item, grid) for item in _items(tree.get("include")))
    space = Space(common, grid, tuple(block for block in include if block))
    values = {axis: (*known.get(axis, ()), *found) for axis, found in _values(space).items()}
    values |= {axis: found for axis, found in known.items() if axis not in values}
    exclude = tuple(reader.condition(item, values) for item in _items(tree.get("exclude")))
    adjust = tuple(
        Adjustment(reader.condition(item.get("when"), values), reader.settings(item.get("set")))
        for item in _items(tree.get("adjust"))
        if isinstance(item, Tree)
    )
    after = reader.after(tree.get("after"), space)
    common = reader.only_data(tree, space, adjust) + common
    return Space(common, grid, space.include, exclude, adjust, after), reader.errors


def _values(space: Space) -> dict[str, tuple[Plain, ...]]:
    found: dict[str, dict[str, Plain]] = {}
    axes = [axis for group in space.grid for axis in group]
    axes += [axis for block in space.include for axis in block]
    for axis in axes:
        for choice in axis.choices:
            found.setdefault(axis.name, {}).setdefault(repr(choice.value), choice.value)
    return {name: tuple(values.values()) for name, values in found.items()}


@dataclass
class _Reader:
    """Reads nodes, and collects what is wrong with them."""

    errors: list[Diagnostic] = field(default_factory=list)
    data: tuple[str, ...] = ()

    @contextmanager
    def _collect(self) -> Iterator[None]:
        try:
            yield
        except SpecError as error:
            self.errors.extend(error.diagnostics)

    def _note(self, code: str, message: str, node: Node, text: str, help: str = "") -> None:
        self.errors.append(Diagnostic(code, message, (Label(node.span, text),), help or None))

    def defaults(self, tree: Tree) -> tuple[Override, ...]:
        """Return what the study itself says of all its runs: base, recipe, seed."""
        own = ((tree.key(name), tree.get(name)) for name in OWN if name != "data")
        found = (self.setting(key, value) for key, value in own if key and value)
        return tuple(change for change in found if change is not None)

    def settings(self, node: Node | None) -> tuple[Override, ...]:
        """Return what a mapping of paths to values sets."""
        found = []
        for key, value in node.entries if isinstance(node, Tree) else ():
            if (change := self.setting(key, value)) is not None:
                found.append(change)
        return tuple(found)

    def setting(self, key: Scalar, value: Node) -> Override | None:
        """Return what a path and a value set; None where either is wrong."""
        path = self.path(key)
        return None if path is None else self.change(path, value)

    def path(self, key: Scalar) -> tuple[Scalar, ...] | None:
        """Return the segments of a path that begins with a key that there is."""
        with self._collect():
            path = parse_path(str(key.value), key.span, key.origin)
            return path if self._possible(path) else None
        return None

    def change(self, path: tuple[Scalar, ...], value: Node) -> Override | None:
        """Return what a value at a path sets; None where it cannot stand there."""
        head = str(path[0].value)
        if len(path) == 1 and head in OWN and not self._own(head, value):
            return None
        if path[-1].value in _FILES and isinstance(value, Scalar):
            value = _beside(value)
            if len(path) == 1 and isinstance(value.value, str):
                with self._collect():
                    _find(head, value)
        return Override(path, value)

    def _possible(self, path: tuple[Scalar, ...]) -> bool:
        """Tell whether a path begins with a key that there is."""
        head = path[0]
        spec = [key for key in field_keys(Model) if key not in ("stspec", "name")]
        if head.value in ("stspec", "name", "extends", "variants"):
            self._note("fixed-key", f"`{head.value}` cannot be overridden", head, "not a setting")
            return False
        if head.value == "recipe" and len(path) > 1:
            return self._known(path[1], field_keys(Recipe), "the recipe", "recipe.")
        if head.value in OWN and len(path) > 1:
            self._note("no-such-path", f"`{head.value}` has no keys", path[1], "leads nowhere")
            return False
        help = ""
        if head.value in field_keys(Recipe) and head.value not in (*OWN, *spec):
            help = f"`recipe.{head.value}` is the recipe's"
        return self._known(head, (*OWN, *spec), "the spec", "", help)

    def _known(
        self, key: Scalar, choices: Iterable[str], owner: str, lead: str, help: str = ""
    ) -> bool:
        name, known = str(key.value), list(choices)
        if name in known:
            return True
        help = help or did_you_mean(lead + name, [lead + choice for choice in known])
        self._note("unknown-key", f"{owner} has no key `{name}`", key, "not known here", help)
        return False

    def _own(self, head: str, value: Node) -> bool:
        """Tell whether a run's seed, data set, base or recipe can be this."""
        found = value.value if isinstance(value, Scalar) else None
        if head == "seed":
            fine = isinstance(found, int) and not isinstance(found, bool) and found >= 0
            wanted = "a whole number from 0 on"
        else:
            fine, wanted = isinstance(found, str), "a name"
        if not fine:
            text = f"expected {wanted}, found {describe(value)}"
            self._note("wrong-type", f"`{head}` must be {wanted}", value, text)
        elif head == "data" and str(found) not in self.data:
            help = did_you_mean(str(found), self.data) or "`data:` names none"
            message = f"the study has no data set `{found}`"
            self._note("unknown-data", message, value, "not one of them", help)
        return fine

    def grid(self, grid: Node | None, zips: Node | None) -> tuple[tuple[Axis, ...], ...]:
        """Return the axes of the grid in groups; those of one group go in step."""
        groups: list[tuple[Axis, ...]] = []
        for key, value in grid.entries if isinstance(grid, Tree) else ():
            if (axis := self.axis(key, value)) is not None:
                groups.append((axis,))
        for item in _items(zips):
            entries = item.entries if isinstance(item, Tree) else ()
            axes = tuple(a for key, value in entries if (a := self.axis(key, value)) is not None)
            self._in_step(axes)
            shortest = min((len(axis.choices) for axis in axes), default=0)
            if axes and shortest:
                groups.append(
                    tuple(Axis(axis.name, axis.choices[:shortest], axis.span) for axis in axes)
                )
        self._set_once([axis for group in groups for axis in group])
        return tuple(groups)

    def _in_step(self, axes: tuple[Axis, ...]) -> None:
        lengths = [len(axis.choices) for axis in axes]
        for axis, length in zip(axes[1:], lengths[1:], strict=True):
            if length != lengths[0]:
                first = axes[0]
                labels = (
                    Label(axis.span, f"{length} values"),
                    Label(first.span, f"{lengths[0]} values", primary=False),
                )
                message = f"`{first.name}` and `{axis.name}` go in step, and differ in length"
                help = "axes of one group under `zip` have as many values each"
                self.errors.append(Diagnostic("uneven-zip", message, labels, help))

    def _set_once(self, axes: list[Axis]) -> None:
        """Refuse a path that two axes set: one of them would say nothing."""
        owners: dict[str, tuple[Axis, Override]] = {}
        for axis in axes:
            for change in (change for choice in axis.choices for change in choice.sets):
                other, at = owners.setdefault(change.dotted, (axis, change))
                if other is not axis:
                    labels = (
                        Label(change.path[0].span, f"by the axis `{axis.name}`"),
                        Label(at.path[0].span, f"by the axis `{other.name}`", primary=False),
                    )
                    message = f"two axes set `{change.dotted}`"
                    self.errors.append(Diagnostic("set-twice", message, labels))
                    break

    def axis(self, key: Scalar, value: Node) -> Axis | None:
        """Return an axis: values of a path, or named settings."""
        name = str(key.value)
        if isinstance(value, Tree):
            choices = tuple(
                Choice(name, str(k.value), label(name, str(k.value), named=True), sets, k.span)
                for k, v in value.entries
                if isinstance(v, Tree)
                for sets in [self.settings(v)]
            )
        elif isinstance(value, Sequence):
            choices = self._choices(key, value)
        else:
            return None
        if not choices and not len(value):
            self._note("bad-length", f"the axis `{name}` has no values", value, "empty")
        seen: dict[str, Choice] = {}
        for choice in choices:
            if seen.setdefault(repr(choice.value), choice) is not choice:
                labels = (Label(choice.span, "again"),)
                message = f"the axis `{name}` has {describe_plain(choice.value)} twice"
                self.errors.append(Diagnostic("duplicate-value", message, labels))
        return Axis(name, tuple(seen.values()), key.span) if seen else None

    def _choices(self, key: Scalar, values: Sequence) -> tuple[Choice, ...]:
        name, path, found = str(key.value), self.path(key), []
        for item in values.items:
            if not isinstance(item, Scalar):
                help = f"give them names: `{name}: {{one: {{PATH: VALUE}}, two: ...}}`"
                text = f"expected a value, found {describe(item)}"
                message = f"the axis `{name}` lists what is no single value"
                self._note("wrong-type", message, item, text, help)
            elif path is not None and (change := self.change(path, item)) is not None:
                text = label(name, item.value, named=False)
                found.append(Choice(name, item.value, text, (change,), item.span))
        return tuple(found)

    def block(self, node: Node, grid: tuple[tuple[Axis, ...], ...]) -> tuple[Axis, ...]:
        """Return the axes of an item of `include`: each value by itself or in a list."""
        named = {axis.name: axis for group in grid for axis in group}
        axes = []
        for key, value in node.entries if isinstance(node, Tree) else ():
            many = value if isinstance(value, Sequence) else Sequence((value,), value.span)
            axis = named.get(str(key.value))
            if axis is not None and any(map(_is_named, axis.choices)):
                made = self._named(axis, many)
            else:
                made = self.axis(key, many)
            if made is not None:
                axes.append(made)
        return tuple(axes)

    def _named(self, axis: Axis, values: Sequence) -> Axis | None:
        """Return an axis with those of its named settings that are meant."""
        found = []
        for item in values.items:
            value = to_plain(item)
            choice = next((c for c in axis.choices if same(c.value, value)), None)
            if choice is None:
                self._no_value(axis.name, item, tuple(c.value for c in axis.choices))
            else:
                found.append(choice)
        return Axis(axis.name, tuple(found), axis.span) if found else None

    def condition(self, node: Node | None, known: Known) -> Condition:
        """Return a condition on the values of axes."""
        values: dict[str, tuple[Plain, ...]] = {}
        for key, value in node.entries if isinstance(node, Tree) else ():
            name = str(key.value)
            if name not in known:
                help = did_you_mean(name, known) or "the study has no axes"
                message = f"the study has no axis `{name}`"
                self._note("unknown-axis", message, key, "not an axis", help)
                continue
            items = value.items if isinstance(value, Sequence) else (value,)
            for item in items:
                if not any(same(to_plain(item), one) for one in known[name]):
                    self._no_value(name, item, known[name])
            values[name] = tuple(to_plain(item) for item in items)
        return Condition(values)

    def _no_value(self, axis: str, node: Node, known: Iterable[Plain]) -> None:
        message = f"the axis `{axis}` has no value {describe(node)}"
        help = did_you_mean(str(to_plain(node)), [str(value) for value in known])
        self._note("unknown-value", message, node, "not one of its values", help)

    def after(self, node: Node | None, space: Space) -> After | None:
        """Return which run each starts from."""
        known = _values(space)
        for key, value in node.entries if isinstance(node, Tree) else ():
            name, wanted = str(key.value), to_plain(value)
            if name not in known:
                help = did_you_mean(name, known) or "the study has no axes"
                message = f"the study has no axis `{name}`"
                self._note("unknown-axis", message, key, "not an axis", help)
                continue
            step = next((g for g in space.grid if any(a.name == name for a in g)), ())
            beside = frozenset(axis.name for axis in step) - {name}
            if wanted == PREVIOUS:
                return After(name, known[name], None, beside)
            if not any(same(wanted, one) for one in known[name]):
                self._no_value(name, value, (PREVIOUS, *known[name]))
                continue
            return After(name, known[name], wanted, beside)
        return None

    def only_data(
        self, tree: Tree, space: Space, adjust: tuple[Adjustment, ...]
    ) -> tuple[Override, ...]:
        """Return what all runs learn from, where there is one data set and nothing says otherwise.

        Of several data sets, runs must say which they learn from.
        """
        said = [*space.common, *(change for one in adjust for change in one.sets)]
        said += [c for g in space.grid for axis in g for one in axis.choices for c in one.sets]
        said += [c for b in space.include for axis in b for one in axis.choices for c in one.sets]
        if not self.data:
            return ()
        sets = tree.get("data")
        key = tree.key("data")
        first = sets.key(self.data[0]) if isinstance(sets, Tree) else None
        assert key is not None and first is not None
        if len(self.data) > 1 and not any(change.dotted == "data" for change in said):
            message = f"the study has {len(self.data)} data sets, and no axis `data`"
            help = f"write `grid: {{data: [{', '.join(self.data)}]}}`"
            self._note("which-data", message, key, "which of them is not said", help)
        return (Override((key,), first),)


def describe_plain(value: Plain) -> str:
    """Return a value as messages tell it."""
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _is_named(choice: Choice) -> bool:
    """Tell whether a choice is a name for settings, and no value of its axis's path."""
    return [change.dotted for change in choice.sets] != [choice.axis]


def _find(kind: str, value: Scalar) -> None:
    """Look for the file of a name.

    Raises:
        SpecError: if there is none.
    """
    name = str(value.value)
    if kind == "recipe":
        RECIPES.find(name, Path(), value.span)
    elif kind == "base":
        locate_model(name, Path(), value.span)
    elif kind == "policy":
        find("policy", name, Path(), value.span)
    elif kind == "backbone":
        find("backbone", name, Path(), value.span)


def _items(node: Node | None) -> tuple[Node, ...]:
    return node.items if isinstance(node, Sequence) else ()


def _beside(value: Scalar) -> Scalar:
    """Return a path that stands in a file, as it is from the working directory."""
    name = str(value.value)
    if not is_path(name.rpartition(":")[0] or name) or value.span.file.startswith("<"):
        return value
    folder = Path(value.span.file).parent
    path = Path(os.path.relpath(folder / name)).as_posix()
    return Scalar(path if path.startswith("../") else f"./{path}", value.span, value.origin)
