"""What a plan says in short: groups of runs, what waits for what, how values of axes differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stspec.diagnostics import SpecError
from stspec.diff.facets import Reading, facets
from stspec.network import compile_spec
from stspec.schema.spec import parse
from stspec.source import reading_once
from stspec.source.nodes import Plain
from stspec.study.grid import Axis, Space, expand
from stspec.study.plan import Plan
from stspec.study.planning import wanted_of
from stspec.study.pricing import compose
from stspec.study.recipe_words import recipe_words
from stspec.study.records import PlannedRun
from stspec.study.study import Study
from stspec.train.recipe import RECIPES, Recipe, recipe_of

CLASSES = 100
"""Of all models that are compared: how many there are is no difference between them."""


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that are alike on some axes, told in one row."""

    values: Mapping[str, Plain]
    runs: tuple[PlannedRun, ...]

    def range_of(self, name: str) -> tuple[int, int]:
        """Return the least and the most of `params` or `macs`."""
        found = [int(getattr(run, name)) for run in self.runs]
        return min(found), max(found)


def groups(plan: Plan, most: int = 24) -> list[Group]:
    """Return the runs in at most so many groups (or one more), by as many axes as that allows."""
    chosen: list[str] = []
    for axis in plan.axes:
        trial = [*chosen, axis]
        if len({_values(run, trial) for run in plan.runs}) <= most:
            chosen = trial
    found: dict[tuple[str, ...], list[PlannedRun]] = {}
    for run in plan.runs:
        found.setdefault(_values(run, chosen), []).append(run)
    return [
        Group({axis: runs[0].settings.get(axis) for axis in chosen}, tuple(runs))
        for runs in found.values()
    ]


def _values(run: PlannedRun, axes: Iterable[str]) -> tuple[str, ...]:
    return tuple(repr(run.settings.get(axis)) for axis in axes)


def waves(plan: Plan) -> list[int]:
    """Return how many runs can start at once, then how many once those are done, and so on."""
    depth: dict[str, int] = {}
    for run in plan.runs:
        depth[run.key] = 0 if run.after is None else depth[run.after] + 1
    counts = Counter(depth.values())
    return [counts[level] for level in sorted(counts)]


def finished_keys(store: Path) -> frozenset[str]:
    """Return the keys of the runs that a store has."""
    folder = store / "runs"
    return frozenset(p.name for p in folder.iterdir()) if folder.is_dir() else frozenset()


@dataclass(frozen=True, slots=True)
class Difference:
    """How a run differs from the base where one axis has one of some values."""

    axis: str
    values: tuple[Plain, ...]
    """Those that differ in the same."""
    told: tuple[tuple[str, str, str], ...]
    """What it is about, in the base, and here."""


def differences(study: Study) -> list[Difference]:
    """Return how each value of each axis differs from the base, by itself.

    Models are compared as `stspec diff` does, recipes in the same way. Left out are data and
    seeds, and values that make no model without those of other axes.
    """
    found: dict[tuple[str, tuple[tuple[str, str, str], ...]], list[Plain]] = {}
    with reading_once():
        base = _Side(study, None)
        for axis in (a for group in (*study.space.grid, *study.space.include) for a in group):
            for choice in axis.choices:
                if any(axis.name == name and choice.value in values
                       for (name, _), values in found.items()):  # fmt: skip
                    continue
                try:
                    told = _told(base, _Side(study, Axis(axis.name, (choice,), axis.span)))
                except SpecError:
                    continue
                if told:
                    found.setdefault((axis.name, tuple(told)), []).append(choice.value)
    return [Difference(axis, tuple(values), told) for (axis, told), values in found.items()]


class _Side:
    """The model and the recipe of a run with one value of one axis, or of none."""

    def __init__(self, study: Study, axis: Axis | None) -> None:
        groups = ((axis,),) if axis is not None else ()
        row = expand(Space(study.space.common, groups, adjust=study.space.adjust))[0]
        self.wanted = wanted_of(row)
        file = self.wanted.recipe_file
        path = RECIPES.find(str(file.value), Path(), file.span)
        self.recipe = recipe_of(path, self.wanted.recipe)

    @cached_property
    def reading(self) -> Reading:
        """Return the compiled model, ready to be compared."""
        one = self.wanted
        tree = compose(one.base, one.spec, CLASSES, self.recipe.data.size)
        return Reading(compile_spec(parse(tree)))


def _told(base: _Side, other: _Side) -> list[tuple[str, str, str]]:
    told = []
    a, b = base.wanted, other.wanted
    if (a.base.value, a.spec) != (b.base.value, b.spec):
        rows = facets(base.reading, other.reading)
        told += [(row.title, row.a, row.b) for row in rows if not row.same]
    before, after = _words(base.recipe), _words(other.recipe)
    keys = dict.fromkeys([*before, *after])
    return told + [
        (key, before.get(key, "none"), after.get(key, "none"))
        for key in keys
        if before.get(key) != after.get(key)
    ]


def _words(recipe: Recipe) -> dict[str, str]:
    return recipe_words(recipe.model_dump(mode="json"))
