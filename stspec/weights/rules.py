"""The rules of an importer: how one code base's keys become ours, one key at a time.

Rules are applied to a key in their order, each once, each to what those before it made of it.
A rule that names several targets makes the key fork; which one is meant is decided by the keys
that the model expects.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

from stspec.weights.arrays import Shape
from stspec.weights.patterns import NO_TABLES, Pattern, Tables, Template, any_match

WRAPPERS = ("module.", "_orig_mod.", "model.")
"""What torch's DataParallel and compile, and modules of Lightning, put in front of every key."""


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

    `row` is the one entry of `rows` along the first axis that is used. `dropped` is the reason why
    it is left out; `inert` says that the public model registers the parameter and never uses it,
    `tied` that it registers the tensor under another name as well.
    """

    key: str
    tap: Tap | None = None
    row: int | None = None
    rows: int | None = None
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

    def apply(self, route: Route) -> Iterable[Route]:
        """Return the route without the segments."""
        kept = (part for part in route.key.split(".") if part not in self.segments)
        return (replace(route, key=".".join(kept)),)


@dataclass(frozen=True, slots=True)
class Drop:
    """Leaves a tensor out, for a reason that the user is told.

    `shapes` are the public keys that are written as zeros on the way back, each with its shape or
    the key of ours that has the same.
    """

    pattern: Pattern
    reason: str
    inert: bool = False
    shapes: Mapping[str, Shape | str] = field(default_factory=dict)

    def apply(self, route: Route) -> Iterable[Route]:
        """Return the route, marked as dropped where the pattern fits."""
        if self.pattern.match(route.key) is None:
            return (route,)
        return (replace(route, dropped=self.reason, inert=self.inert),)


@dataclass(frozen=True, slots=True)
class Stack:
    """Joins several tensors along a new axis `dim`, ordered by the capture `along`.

    `order` lists what the capture takes, first to last; where it is None the capture takes
    numbers from 0 or 1 upwards. `joined` tensors stand side by side along an axis that they have;
    how many they are, ours does not tell: on the way back they are `parts`, a number or the groups
    of a layer, numbered from `first`.
    """

    pattern: Pattern
    target: Template
    along: str
    dim: int
    order: tuple[str, ...] | None = None
    joined: bool = False
    parts: int | str | None = None
    first: int = 0

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
    """Uses one entry of a table of embeddings; the public model never reads the others.

    `rows` is the number of entries of the table, where it is known.
    """

    pattern: Pattern
    target: Template
    row: int
    rows: int | None = None

    def apply(self, route: Route) -> Iterable[Route]:
        """Return the route of the entry, or the route itself where the pattern does not fit."""
        pieces = self.pattern.match(route.key)
        if pieces is None:
            return (route,)
        return (replace(route, key=self.target.write(pieces), row=self.row, rows=self.rows),)


@dataclass(frozen=True, slots=True)
class Conditional:
    """A rule for checkpoints with a key that fits a pattern, such as one layout of two."""

    when: Pattern
    rule: Rename | Remove | Drop | Stack | Take

    def apply(self, route: Route) -> Iterable[Route]:
        """Return what the rule makes of the route."""
        return self.rule.apply(route)


Rule: TypeAlias = Rename | Remove | Drop | Stack | Take | Conditional


@dataclass(frozen=True)
class Model:
    """What is known of a model of ours on the way back: its keys and how its layers stand.

    `ops` are kinds of operators, `silent` those of them that make another method of a network and
    that no weights tell. `layers` are the paths of layers and blocks, and what they read:
    ``layer1.0.conv1<shift`` is a convolution that reads what an operator of that kind gives.
    """

    state: Mapping[str, Shape]
    ops: frozenset[str] = frozenset()
    layers: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()

    @cached_property
    def names(self) -> frozenset[str]:
        """Keys and layers."""
        return self.layers.union(self.state)

    def groups(self, layer: str) -> int | None:
        """Return how many groups a layer has, None where that is not said."""
        begin = f"{layer}:groups="
        found = [name.removeprefix(begin) for name in self.layers if name.startswith(begin)]
        return int(found[0]) if found and found[0].isdecimal() else None

    def knows(self, pattern: Pattern) -> bool:
        """Tell whether a key or a layer fits a pattern."""
        if not pattern.names:
            return pattern.text in self.names
        return any_match((pattern,), self.names) > 0


@dataclass(frozen=True, slots=True)
class Case:
    """Models that a rule is undone for: all conditions hold at once.

    `has` and `lacks` are patterns of keys of ours or of layers, `op` and `no_op` kinds of
    operators. `beside` and `alone` write, of the pieces of the key at hand, others that are all
    there or of which none is.
    """

    has: tuple[Pattern, ...] = ()
    lacks: tuple[Pattern, ...] = ()
    op: str | None = None
    no_op: str | None = None
    beside: tuple[Template, ...] = ()
    alone: tuple[Template, ...] = ()

    def fits(self, model: Model) -> bool:
        """Tell whether such a model is meant."""
        return (
            all(model.knows(pattern) for pattern in self.has)
            and not any(model.knows(pattern) for pattern in self.lacks)
            and (self.op is None or self.op in model.ops)
            and (self.no_op is None or self.no_op not in model.ops)
        )

    def allows(self, pieces: Mapping[str, str], model: Model) -> bool:
        """Tell whether a key of such pieces is meant."""
        return all(text.write(pieces) in model.names for text in self.beside) and not any(
            text.write(pieces) in model.names for text in self.alone
        )


@dataclass(frozen=True, slots=True)
class Back:
    """A rule that is undone on the way back: for models of one of the cases."""

    rule: Rule
    cases: tuple[Case, ...]

    def among(self, model: Model) -> Back | None:
        """Return the rule with the cases that such a model is of."""
        cases = tuple(case for case in self.cases if case.fits(model))
        return replace(self, cases=cases) if cases else None

    def allows(self, pieces: Mapping[str, str], model: Model) -> bool:
        """Tell whether it is undone for a key of such pieces."""
        return any(case.allows(pieces, model) for case in self.cases)

    @property
    def bare(self) -> Rename | Remove | Drop | Stack | Take:
        """The rule without its condition on checkpoints."""
        return self.rule.rule if isinstance(self.rule, Conditional) else self.rule


@dataclass(frozen=True, slots=True)
class Axes:
    """Weights that have `count` axes there, axes of size 1 added or left out at the end.

    `lead` axes of size 1 stand in front, where that is said.
    """

    pattern: Pattern
    count: int
    models: Case
    lead: int | None = None


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
    """The rules that are undone on the way back."""
    writes: tuple[Back, ...] = ()
    """How keys are written back, once the rules are undone: of these the first that fits."""
    no_way_back: str | None = None
    """Why no keys are told by the rules, where that is so."""
    models: Case = field(default_factory=Case)
    """The models that it can have; there is no way back for others."""
    silent: frozenset[str] = frozenset()
    """The operators that it has although no weights tell them; no way back for models of others."""
    tells: tuple[tuple[Pattern, str], ...] = ()
    """Public keys, and the operators without weights that a network with such keys has."""
    container: str = ""
    """The key under which its files keep the state dict."""
    volumes: bool = False
    """Whether all its convolutions are of five axes, 2D ones too."""
    axes: tuple[Axes, ...] = ()
    """Weights with other axes than ours, such as convolutions of one point that are linear here."""
    advice: tuple[tuple[Pattern, str], ...] = ()
    """Keys of ours, and what to do where its tensors do not fit them."""

    def among(self, keys: Iterable[str]) -> Importer:
        """Return the importer with the rules alone whose conditions a checkpoint's keys fulfil."""
        stripped = tuple(self.strip(key) for key in keys)
        kept = tuple(
            rule
            for rule in self.rules
            if not isinstance(rule, Conditional) or any_match((rule.when,), stripped)
        )
        return replace(self, rules=kept)

    def advised(self, key: str) -> str | None:
        """Return what to do where a tensor does not fit a key of ours, if that is said."""
        return next((help for pattern, help in self.advice if pattern.fits(key)), None)

    def operators(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Return the operators without weights that a checkpoint's keys tell of, sorted."""
        stripped = tuple(self.strip(key) for key in keys)
        return tuple(sorted({op for pattern, op in self.tells if any_match((pattern,), stripped)}))

    def routes(self, key: str) -> Sequence[Route]:
        """Return where a public key may go; more than one where a rule names several targets."""
        routes: Sequence[Route] = (Route(self.strip(key)),)
        for rule in self.rules:
            if len(routes) == 1 and routes[0].dropped is None:
                routes = tuple(rule.apply(routes[0]))
            else:
                after = (rule.apply(r) if r.dropped is None else (r,) for r in routes)
                routes = tuple(itertools.chain.from_iterable(after))
        return routes

    def written(self, key: str, model: Model) -> str:
        """Return a key with what is taken off on the way in, such as prefixes."""
        for back in self.writes:
            if isinstance(rule := back.bare, Rename):
                pieces = rule.pattern.match(key)
                if pieces is not None and back.allows(pieces, model):
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
