"""A study as it is written: YAML, `extends`, `--set` and `--data` become a space of runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stspec.compose.paths import Override, dotted, parse_overrides, put
from stspec.diagnostics import Diagnostic, Label, Span, SpecError, did_you_mean
from stspec.schema.models import Model
from stspec.schema.validate import field_keys, validate
from stspec.source import Mapping as Tree
from stspec.source import Node, Scalar, from_python
from stspec.source.python import caller_span
from stspec.study.data import placed
from stspec.study.grid import OWN, Row, Space, expand
from stspec.study.schema import STUDIES, StudyKeys
from stspec.study.space import known_values, read_space
from stspec.train.recipe import Recipe

BY_PATH = ("grid", "set")
"""Keys whose own keys are paths, which have dots."""


@dataclass(frozen=True)
class Study:
    """Many models, one protocol: checked, and not yet compiled."""

    name: str
    keys: StudyKeys
    space: Space
    tree: Tree

    @property
    def imagenet(self) -> dict[str, str]:
        """Return checkpoints of image networks, in full, by backbone."""
        node = self.tree.get("imagenet")
        files = node.items() if isinstance(node, Tree) else ()
        return {name: str(placed(value)) for name, value in files if isinstance(value, Scalar)}

    @property
    def rows(self) -> list[Row]:
        """Return the runs in order, each after the one that it starts from."""
        return expand(self.space)


def load_study(
    target: str | Path,
    overrides: Iterable[str | tuple[str, Any]] = (),
    data: Mapping[str, str | Path] | None = None,
) -> Study:
    """Read and check a study.

    Args:
        target: a shipped study's name, or a YAML file.
        overrides: ``grid.seed=[0, 1]``, ``clip.frames=16`` or ``recipe.epochs=2`` texts, or
            (path, value) pairs, as ``--set`` takes them: keys of the study, or settings of all
            its runs.
        data: where data sets lie, by name; under the name "" where the study has but one.

    Raises:
        SpecError: with every mistake that was found.
    """
    span = caller_span()
    path = STUDIES.find(str(target), Path(), None)
    written = STUDIES.read(path)
    changes, errors = parse_overrides(overrides, span)
    tree = written
    for change in changes:
        try:
            tree = _changed(tree, change)
        except SpecError as error:
            errors.extend(error.diagnostics)
    try:
        tree = _with_data(tree, data or {}, span)
    except SpecError as error:
        errors.extend(error.diagnostics)
    name = Scalar("name", tree.span), Scalar(path.stem, tree.span)
    keys = None
    try:
        keys = validate(Tree((name, *tree.entries), tree.span, tree.origin), StudyKeys)
    except SpecError as error:
        errors.extend(error.diagnostics)
    space, wrong = read_space(tree, known_values(written))
    # Of two words on one mistake the space's are the better ones.
    told = {(one.code, one.position) for one in wrong}
    errors = [one for one in errors if (one.code, one.position) not in told] + wrong
    if errors:
        raise SpecError(*sorted(dict.fromkeys(errors), key=lambda one: one.position))
    assert keys is not None
    return Study(path.stem, keys, space, tree)


def _changed(tree: Tree, change: Override) -> Tree:
    """Return the study with a change to a key of its own, or to a setting of all runs."""
    first = change.path[0]
    head, rest = str(first.value), change.path[1:]
    if head in BY_PATH and rest:
        joined = Scalar(dotted(rest), _over(rest[0].span, rest[-1].span), first.origin)
        return put(tree, Override((first, joined), change.value))
    own = field_keys(StudyKeys)
    one_for_all = head == "data" and isinstance(change.value, Scalar) and not rest
    part_of_recipe = head == "recipe" and rest
    if head in own and not one_for_all and not part_of_recipe:
        return put(tree, change)
    spec = set(field_keys(Model)) - {"stspec", "name", "about", "paper"}
    if head not in {*own, *spec, *OWN}:
        help = did_you_mean(head, [*own, *sorted(spec)])
        if head in field_keys(Recipe):
            help = f"`recipe.{change.dotted}` is the recipe's"
        message = f"neither the study nor the spec has a key `{head}`"
        label = Label(first.span, "not known here")
        raise SpecError(Diagnostic("unknown-key", message, (label,), help or None))
    whole = Scalar(change.dotted, _over(first.span, change.path[-1].span), first.origin)
    _refuse_axis(tree, whole)
    return put(tree, Override((Scalar("set", first.span, first.origin), whole), change.value))


def _refuse_axis(tree: Tree, path: Scalar) -> None:
    grid = tree.get("grid")
    key = grid.key(str(path.value)) if isinstance(grid, Tree) else None
    if key is not None:
        labels = (
            Label(path.span, "runs have several values here"),
            Label(key.span, "these are the axis", primary=False),
        )
        help = f"--set grid.{path.value}=[...] says other values"
        raise SpecError(Diagnostic("is-axis", f"`{path.value}` is an axis", labels, help))


def _with_data(tree: Tree, data: Mapping[str, str | Path], span: Span) -> Tree:
    """Return the study with the places of data sets that are given apart from it."""
    sets = tree.get("data")
    names = sets.keys() if isinstance(sets, Tree) else ()
    for name, path in data.items():
        if not name and len(names) > 1:
            message = f"the study has {len(names)} data sets: {', '.join(names)}"
            help = f"--data {names[0]}=DIR says which one lies there"
            raise SpecError(Diagnostic("which-data", message, help=help))
        chosen = name or (names[0] if names else Path(path).resolve().stem)
        if names and chosen not in names:
            message = f"the study has no data set `{name}`"
            raise SpecError(Diagnostic("unknown-data", message, help=did_you_mean(name, names)))
        place = from_python(str(Path(path).expanduser().resolve()), span, origin=("--data",))
        tree = put(tree, Override(_segments(("data", chosen), span), _placed(sets, chosen, place)))
    return tree


def _placed(sets: Node | None, name: str, place: Node) -> Tree:
    """Return what is said of a data set, lying at a place."""
    before = sets.get(name) if isinstance(sets, Tree) else None
    key = Scalar("path", place.span, place.origin)
    kept = before.entries if isinstance(before, Tree) else ()
    nothing = Scalar(None, place.span, place.origin)
    instead = [(k, nothing) for k, _ in kept if k.value in ("motions", "of")]
    return Tree((*instead, (key, place)), place.span, place.origin)


def _segments(names: Iterable[str], span: Span) -> tuple[Scalar, ...]:
    return tuple(Scalar(name, span, ("--data",)) for name in names)


def _over(first: Span, last: Span) -> Span:
    return Span(first.file, first.line, first.column, last.end_line, last.end_column)
