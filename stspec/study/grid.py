"""From the axes of a study to its runs: what each of them sets, and what it is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from stspec.compose.paths import Override
from stspec.diagnostics import Span
from stspec.source.nodes import Plain

_UNSAFE = re.compile(r"[^A-Za-z0-9.]+")
OWN = ("base", "recipe", "data", "seed")
"""What a run has beside its spec."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of an axis, and what it sets."""

    axis: str
    value: Plain
    """The value of the path; the name of settings that go together."""
    label: str
    """As the names of runs have it."""
    sets: tuple[Override, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Axis:
    """What runs differ in: a path with values, or named settings of several paths."""

    name: str
    choices: tuple[Choice, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Condition:
    """Values of axes, each a list of those that are meant."""

    values: Mapping[str, tuple[Plain, ...]]

    def holds(self, settings: Mapping[str, Plain]) -> bool:
        """Tell whether a run meets all of it."""
        return all(
            axis in settings and any(same(settings[axis], value) for value in values)
            for axis, values in self.values.items()
        )


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Settings of the runs that meet a condition."""

    when: Condition
    sets: tuple[Override, ...]


@dataclass(frozen=True, slots=True)
class After:
    """Which run a run starts from: along an axis that of the value before, or that of one value."""

    axis: str
    order: tuple[Plain, ...]
    """The values of the axis."""
    first: Plain | None = None
    """The value that the others start from; none: each from the one before."""
    beside: frozenset[str] = frozenset()
    """Axes that go in step with it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A run as a study asks for it, before anything is compiled."""

    name: str
    settings: Mapping[str, Plain]
    """By axis."""
    sets: Mapping[str, Override]
    """By path, those that stand above others first."""
    after: int | None = None
    """The number of the row that it starts from."""


@dataclass(frozen=True, slots=True)
class Space:
    """All runs of a study, said by axes."""

    common: tuple[Override, ...] = ()
    """What all of them set."""
    grid: tuple[tuple[Axis, ...], ...] = ()
    """Groups of axes of equal length that go in step; an axis by itself is a group of one."""
    include: tuple[tuple[Axis, ...], ...] = ()
    """Further grids."""
    exclude: tuple[Condition, ...] = ()
    adjust: tuple[Adjustment, ...] = ()
    after: After | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        """Return the names of all axes, in order."""
        named = [axis.name for group in self.grid for axis in group]
        named += [axis.name for block in self.include for axis in block]
        return tuple(dict.fromkeys(named))


@dataclass(slots=True)
class _Draft:
    choices: tuple[Choice, ...]
    settings: dict[str, Plain] = field(default_factory=dict)


def expand(space: Space) -> list[Row]:
    """Return the runs of a study in order, each that another starts from before that one.

    The last axis varies fastest. A run that has the same settings as one before it is that one.
    """
    drafts: dict[tuple[tuple[str, str], ...], _Draft] = {}
    for choices in _combinations(space):
        settings = {choice.axis: choice.value for choice in choices}
        if any(condition.holds(settings) for condition in space.exclude):
            continue
        identity = tuple(sorted((axis, _exact(value)) for axis, value in settings.items()))
        drafts.setdefault(identity, _Draft(choices, settings))
    found = list(drafts.values())
    names = _names([draft.choices for draft in found])
    befores = _befores(space.after, [draft.settings for draft in found])
    order = _dependencies_first(befores)
    place: dict[int | None, int] = {index: at for at, index in enumerate(order)}
    return [
        Row(
            names[index],
            found[index].settings,
            _sets(space, found[index]),
            place.get(befores[index]),
        )
        for index in order
    ]


def _combinations(space: Space) -> Iterator[tuple[Choice, ...]]:
    if space.grid or not space.include:
        steps = [list(zip(*(axis.choices for axis in group), strict=True)) for group in space.grid]
        for parts in product(*steps):
            yield tuple(choice for part in parts for choice in part)
    for block in space.include:
        yield from product(*(axis.choices for axis in block))


def _sets(space: Space, draft: _Draft) -> dict[str, Override]:
    """Return what a run sets, by path: what is said later counts, the whole before its parts."""
    adjusted = [a.sets for a in space.adjust if a.when.holds(draft.settings)]
    said = [space.common, *(choice.sets for choice in draft.choices), *adjusted]
    found: dict[str, Override] = {}
    for change in (change for group in said for change in group):
        found.pop(change.dotted, None)
        found[change.dotted] = change
    return dict(sorted(found.items(), key=lambda item: len(item[1].path)))


def _befores(after: After | None, settings: Sequence[Mapping[str, Plain]]) -> list[int | None]:
    """Return, for each run, the number of the one that it starts from."""
    if after is None:
        return [None] * len(settings)
    own = {after.axis} | after.beside
    order = [_exact(value) for value in after.order]
    families: dict[tuple[tuple[str, str], ...], dict[str, int]] = {}
    kin = [
        tuple(sorted((axis, _exact(value)) for axis, value in one.items() if axis not in own))
        for one in settings
    ]
    for index, one in enumerate(settings):
        if after.axis in one:
            families.setdefault(kin[index], {})[_exact(one[after.axis])] = index
    found: list[int | None] = []
    for index, one in enumerate(settings):
        if after.axis not in one:
            found.append(None)
            continue
        family, value = families[kin[index]], _exact(one[after.axis])
        if after.first is not None:
            before = family.get(_exact(after.first))
            found.append(None if before == index else before)
        else:
            earlier = [family[v] for v in order[: order.index(value)] if v in family]
            found.append(earlier[-1] if earlier else None)
    return found


def _dependencies_first(befores: Sequence[int | None]) -> list[int]:
    """Return the numbers of the runs, as they are but each after the one that it starts from."""
    order: dict[int, None] = {}
    for index in range(len(befores)):
        chain: list[int] = []
        at: int | None = index
        while at is not None and at not in order:
            chain.append(at)
            at = befores[at]
        order.update(dict.fromkeys(reversed(chain)))
    return list(order)


def _names(runs: Iterable[tuple[Choice, ...]]) -> list[str]:
    """Return a name for each run, made of its labels; numbers tell those apart that are alike."""
    taken: set[str] = set()
    names = []
    for choices in runs:
        name = "-".join(filter(None, (choice.label for choice in choices))) or "base"
        unique, number = name, 2
        while unique in taken:
            unique, number = f"{name}-{number}", number + 1
        taken.add(unique)
        names.append(unique)
    return names


def label(axis: str, value: Plain, *, named: bool) -> str:
    """Return a value as names of runs have it: tam, frames8, seed0."""
    text = _UNSAFE.sub("_", str(value).removesuffix(".yaml").rpartition("/")[2]).strip("_.")
    if named or (isinstance(value, str) and text):
        return text
    last = axis.rpartition(".")[2]
    return f"{last}{text.lower()}"


def same(a: Plain, b: Plain) -> bool:
    """Tell whether two values of an axis are one: 1 and 1.0 are, 1 and true are not."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _exact(value: Plain) -> str:
    number = isinstance(value, float) and value.is_integer()
    return repr(int(value)) if isinstance(value, float) and number else repr(value)
