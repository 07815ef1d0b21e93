"""The rules of an importer: how one code base's keys become ours, one key at a time.

Rules are applied to a key in their order, each once, each to what those before it made of it.
A rule that names several targets makes the key fork; which one is meant is decided by the keys
that the model expects.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from stspec.weights.patterns import NO_TABLES, Pattern, Tables, Template, any_match

WRAPPERS = ("module.", "_orig_mod.")
"""What torch's DataParallel and compile put in front of every key."""


@dataclass(frozen=True, slots=True)
class Tap:
    """A tensor's place in the stack that becomes one tensor of ours.

    `count` is the number of tensors of the stack, or None where those present say it. `joined`
    tensors stand side by side along an axis that they have; others get a new one.
    """

    position: int
    dim: int
    count: int | None
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """Where a public key goes: a key of ours, perhaps as a part of a stack, or nowhere.

    `row` is the one entry along the first axis that is used. `dropped` is the reason why it is
    left out; `inert` says that the public model registers the parameter and never uses it, `tied`
    that it registers the tensor under another name as well.
    """

    key: str
    tap: Tap | None = None
    row: int | None = None
    dropped: str | None = None
    inert: bool = False
    tied: bool = False


@dataclass(frozen=True, slots=True)
class Rename:
    """Writes a key anew; of several templates, the first that the model expects is meant.

    A key that is `tied` is a second name of a tensor; where both names are there, it counts.
    """

    pattern: Pattern
    targets: tuple[Template, ...]
    tables: Tables = field(default_factory=lambda: NO_TABLES)
    tied: bool = False

    def apply(self, route: Route) -> Iterable[Route]:
        """Return the renamed routes, or the route itself where the pattern does not fit."""
        pieces = self.pattern.match(route.key)
        if pieces is None:
            return (route,)
        keys = (target.write(pieces, self.tables) for target in self.targets)
        tied = route.tied or self.tied
        return tuple(replace(route, key=key, tied=tied) for key in keys)


@dataclass(frozen=True, slots=True)
class Remove:
    """Takes segments out of a key wherever they stand, such as those of wrappers."""

    segments: frozenset[str]
    wrapping: tuple[str, ...] = ()
    """Operators that the segments come with; others have none to take out."""

    def apply(self, route: Route) -> Iterable[Route]:
        """Return the route without the segments."""
        kept = (part for part in route.key.split(".") if part not in self.segments)
        return (replace(route, key=".".join(kept)),)


@dataclass(frozen=True, slots=True)
class Drop:
    """Leaves a tensor out, for a reason that the user is told."""

    pattern: Pattern
    reason: str
    inert: bool = False

    def apply(self, route: Route) -> Iterable[Route]:
        """Return the route, marked as dropped where the pattern fits."""
        if self.pattern.match(route.key) is None:
            return (route,)
        return (replace(route, dropped=self.reason, inert=self.inert),)


@dataclass(frozen=True, slots=True)
class Stack:
    """Joins several tensors along a new axis `dim`, ordered by the capture `along`.

    `order` lists what the capture takes, first to last; where it is None the capture takes
    numbers from 0 or 1 upwards. `joined` tensors stand side by side along an axis that they have.
    """

    pattern: Pattern
    target: Template
    along: str
    dim: int
    order: tuple[str, ...] | None = None
    joined: bool = False

    def apply(self, route: Route) -> Iterable[Route]:
        """Return the route into the stack, or the route itself where the pattern does not fit."""
        pieces = self.pattern.match(route.key)
        if pieces is None:
            return (route,)
        piece = pieces[self.along]
        if self.order is None:
            if not (piece.isascii() and piece.isdecimal()):
                return (route,)
            tap = Tap(int(piece), self.dim, None, self.joined)
        else:
            tap = Tap(self.order.index(piece), self.dim, len(self.order), self.joined)
        return (replace(route, key=self.target.write(pieces), tap=tap),)


@dataclass(frozen=True, slots=True)
class Take:
    """Uses one entry of a table of embeddings; the public model never reads the others."""

    pattern: Pattern
    target: Template
    row: int

    def apply(self, route: Route) -> Iterable[Route]:
        """Return the route of the entry, or the route itself where the pattern does not fit."""
        pieces = self.pattern.match(route.key)
        if pieces is None:
            return (route,)
        return (replace(route, key=self.target.write(pieces), row=self.row),)


@dataclass(frozen=True, slots=True)
class Conditional:
    """A rule for checkpoints with a key that fits a pattern, such as one layout of two."""

    when: Pattern
    rule: Rename | Remove | Drop | Stack | Take

    def apply(self, route: Route) -> Iterable[Route]:
        """Return what the rule makes of the route."""
        return self.rule.apply(route)


Rule: TypeAlias = Rename | Remove | Drop | Stack | Take | Conditional


@dataclass(frozen=True, slots=True)
class Case:
    """Models that a rule is undone for: all conditions hold at once.

    `has` and `lacks` are patterns of keys of ours, `op` and `no_op` kinds of operators. `beside`
    and `alone` write, of the pieces of the key at hand, another that is there or is not.
    """

    has: Pattern | None = None
    lacks: Pattern | None = None
    op: str | None = None
    no_op: str | None = None
    beside: Template | None = None
    alone: Template | None = None

    def fits(self, keys: Collection[str], ops: Collection[str]) -> bool:
        """Tell whether a model of such keys and operators is meant."""
        return (
            (self.has is None or any_match((self.has,), keys) > 0)
            and (self.lacks is None or not any_match((self.lacks,), keys))
            and (self.op is None or self.op in ops)
            and (self.no_op is None or self.no_op not in ops)
        )

    def allows(self, pieces: Mapping[str, str], keys: Collection[str]) -> bool:
        """Tell whether a key of such pieces is meant."""
        return (self.beside is None or self.beside.write(pieces) in keys) and (
            self.alone is None or self.alone.write(pieces) not in keys
        )


@dataclass(frozen=True, slots=True)
class Back:
    """A rule that is undone on the way back: for models of one of the cases."""

    rule: Rule
    cases: tuple[Case, ...]

    def among(self, keys: Collection[str], ops: Collection[str]) -> Back | None:
        """Return the rule with the cases that a model of such keys and operators is of."""
        cases = tuple(case for case in self.cases if case.fits(keys, ops))
        return replace(self, cases=cases) if cases else None

    def allows(self, pieces: Mapping[str, str], keys: Collection[str]) -> bool:
        """Tell whether it is undone for a key of such pieces."""
        return any(case.allows(pieces, keys) for case in self.cases)


@dataclass(frozen=True, slots=True)
class Importer:
    """One code base's key scheme.

    `recognise` are patterns of keys that speak for this code base; torch's wrappers are taken
    off first. `prefixes` are taken off too before the rules apply, as often as they occur.
    """

    name: str
    about: str
    code_base: str
    recognise: tuple[Pattern, ...] = ()
    prefixes: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    backs: tuple[Back, ...] = ()
    """The rules that are undone on the way back, none where there is no way but by a template."""
    writes: tuple[Rename, ...] = ()
    """How keys are written back, once the rules are undone: of these the first that fits."""
    invertible: bool = False
    """Whether `backs` and `writes` tell all keys, for models of `models`."""
    models: Case = field(default_factory=Case)
    container: str = ""
    """The key under which its files keep the state dict."""
    volumes: bool = False
    """Whether all its convolutions are of five axes, 2D ones too."""
    pointwise: tuple[Pattern, ...] = ()
    """Weights of its 3D networks that are convolutions of one point, where ours are linear."""

    def among(self, keys: Iterable[str]) -> Importer:
        """Return the importer with the rules alone whose conditions a checkpoint's keys fulfil."""
        stripped = tuple(self.strip(key) for key in keys)
        kept = tuple(
            rule
            for rule in self.rules
            if not isinstance(rule, Conditional) or any_match((rule.when,), stripped)
        )
        return replace(self, rules=kept)

    def routes(self, key: str) -> Sequence[Route]:
        """Return where a public key may go; more than one where a rule names several targets."""
        routes = [Route(self.strip(key))]
        for rule in self.rules:
            routes = [
                after
                for route in routes
                for after in (rule.apply(route) if route.dropped is None else (route,))
            ]
        return routes

    def tells(self, keys: Collection[str], ops: AbstractSet[str]) -> bool:
        """Tell whether the keys of a model of such keys and operators follow from the rules.

        Segments that are taken out on the way in, for some operators, are not known.
        """
        removals = [rule for rule in self.rules if isinstance(rule, Remove)]
        known = all(rule.wrapping and ops.isdisjoint(rule.wrapping) for rule in removals)
        return self.invertible and known and self.models.fits(keys, ops)

    def written(self, key: str) -> str:
        """Return a key with what is taken off on the way in, such as prefixes."""
        for rule in self.writes:
            if rule.pattern.match(key) is not None:
                (route,) = rule.apply(Route(key))
                return route.key
        return key

    def strip(self, key: str) -> str:
        """Return the key without prefixes and wrappers."""
        return strip(key, (*WRAPPERS, *self.prefixes))


def strip(key: str, prefixes: Iterable[str] = WRAPPERS) -> str:
    """Return the key without the prefixes at its front, in whatever order they stand."""
    prefixes = tuple(prefixes)
    while prefix := next((p for p in prefixes if key.startswith(p)), None):
        key = key.removeprefix(prefix)
    return key
