"""The keys that a code base would give our tensors: an importer's rules, undone one by one.

Rules lose things: segments that are taken out, names that two keys become. What a rule may have
been applied to is a list, the most changed first; what leads back to our key by the rules is taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from functools import cache

from stspec.weights.arrays import Shape
from stspec.weights.gather import choose
from stspec.weights.patterns import Pattern, Template
from stspec.weights.rules import Conditional, Drop, Importer, Remove, Rename, Route, Rule, Stack

Names = tuple[str, ...]
"""One public key, or all those that are stacked to one tensor of ours."""

_MOST = 256


def public_names(
    expected: Mapping[str, Shape], scheme: Importer
) -> tuple[dict[str, Names], list[str]]:
    """Return the public keys of each of our keys, and our keys for which none was found."""
    found: dict[str, Names] = {}
    lost = []
    for key, shape in expected.items():
        options = _before(key, shape, scheme.rules)
        written = (tuple(scheme.written(name) for name in names) for names in options)
        fits = (names for names in written if _leads_to(names, key, scheme, expected))
        names = next(fits, None)
        if names is None:
            lost.append(key)
        else:
            found[key] = names
    return found, lost


def _before(key: str, shape: Shape, rules: Collection[Rule]) -> Iterator[Names]:
    """Yield what a key of ours may have been before the rules, the most changed first."""
    states: list[Names] = [(key,)]
    for rule in reversed(tuple(rules)):
        after: dict[Names, None] = {}
        for names in states:
            choices = [list(_undone(rule, name, shape)) for name in names]
            if len(names) == 1:
                after.update(dict.fromkeys(choices[0]))
            else:  # parts of a stack go the same way
                for parts in zip(*choices, strict=False):
                    if all(len(part) == 1 for part in parts):
                        after[tuple(part[0] for part in parts)] = None
        states = list(itertools.islice(after, _MOST))
    yield from states


def _undone(rule: Rule, key: str, shape: Shape) -> Iterator[Names]:
    """Yield what a rule may have made a key of; last the key itself, where the rule passes it."""
    inner = rule.rule if isinstance(rule, Conditional) else rule
    if isinstance(inner, Rename):
        yield from ((name,) for name in _renamed(inner, key))
    elif isinstance(inner, Stack):
        yield from _unstacked(inner, key, shape)
    passes = isinstance(inner, Drop | Remove) or inner.pattern.match(key) is None
    if isinstance(inner, Drop):
        passes = inner.pattern.match(key) is None
    if passes or isinstance(rule, Conditional):
        yield (key,)


def _renamed(rule: Rename, key: str) -> Iterator[str]:
    source = Template(rule.pattern.text)
    for target in rule.targets:
        used = {name: table for name, table in rule.tables.items() if name in target.names}
        pieces = _as_pattern(
            target.text, tuple((n, tuple(sorted(set(t.values())))) for n, t in used.items())
        ).match(key)
        if pieces is None:
            continue
        choices = []
        for name in rule.pattern.names:
            table = rule.tables.get(name) or rule.pattern.tables.get(name)
            if name in pieces and table:
                choices.append([piece for piece, text in table.items() if text == pieces[name]])
            elif name in pieces:
                choices.append([pieces[name]])
            else:
                choices.append(list(table or ()))
        for taken in itertools.product(*choices):
            yield source.write(dict(zip(rule.pattern.names, taken, strict=True)))


def _unstacked(rule: Stack, key: str, shape: Shape) -> Iterator[Names]:
    pieces = _as_pattern(rule.target.text, ()).match(key)
    if pieces is None:
        return
    source = Template(rule.pattern.text)
    if rule.order is not None:
        places = rule.order
    elif not rule.joined and len(shape) > rule.dim:
        places = tuple(str(number) for number in range(shape[rule.dim]))
    else:
        return
    if set(rule.pattern.names) <= {*pieces, rule.along}:
        yield tuple(source.write({**pieces, rule.along: place}) for place in places)


@cache
def _as_pattern(text: str, tables: tuple[tuple[str, tuple[str, ...]], ...]) -> Pattern:
    """Return the pattern of what a template writes."""
    return Pattern(text, {name: {piece: piece for piece in pieces} for name, pieces in tables})


def _leads_to(
    names: Names, key: str, scheme: Importer, expected: Collection[str]
) -> bool:
    routes = [choose(scheme.routes(name), expected) for name in names]
    return all(_arrives(route, key, len(names) > 1) for route in routes)


def _arrives(route: Route, key: str, stacked: bool) -> bool:
    plain = route.dropped is None and route.row is None
    return plain and route.key == key and (route.tap is not None) == stacked
