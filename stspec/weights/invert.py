"""The keys that a code base would give our tensors: an importer's rules, undone one by one.

Rules lose things: segments that are taken out, names that two keys become. What a rule may have
been applied to is a list, the most changed first; what leads back to our key by the rules is taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from stspec.diagnostics import Diagnostic, SpecError
from stspec.weights.arrays import Shape
from stspec.weights.export import Blank
from stspec.weights.gather import choose
from stspec.weights.patterns import Pattern, Template, any_match
from stspec.weights.rules import Back, Conditional, Importer, Rename, Route, Stack

Names = tuple[str, ...]
"""One public key, or all those that are stacked to one tensor of ours."""

_MOST = 256


def public_names(
    expected: Mapping[str, Shape], scheme: Importer, ops: Collection[str] = ()
) -> tuple[dict[str, Names], list[str]]:
    """Return the public keys of each of our keys, and our keys for which none was found.

    `ops` are the kinds of operators of the model.
    """
    fitting = (back.among(expected, ops) for back in scheme.backs)
    backs = tuple(back for back in fitting if back is not None)
    meant = [back.rule for back in backs]
    rules = (r for r in scheme.rules if not isinstance(r, Conditional) or r in meant)
    scheme = replace(scheme, rules=tuple(rules))
    found: dict[str, Names] = {}
    lost = []
    for key, shape in expected.items():
        options = _before(key, shape, backs, expected)
        written = (tuple(scheme.written(name) for name in names) for names in options)
        fits = [names for names in written if _leads_to(names, key, scheme, expected)]
        # Parts that have names of their own come before numbered ones.
        names = min(fits, key=lambda names: not _is_named(names, scheme), default=None)
        if names is None:
            lost.append(key)
        else:
            found[key] = names
    return found, lost


def _is_named(names: Names, scheme: Importer) -> bool:
    tap = scheme.routes(names[0])[0].tap
    return tap is not None and tap.count is not None


def public_template(
    expected: Mapping[str, Shape], scheme: Importer, ops: Collection[str] = ()
) -> dict[str, Blank]:
    """Return the keys and shapes that a code base's state dict has for a model of ours.

    Args:
        expected: keys and shapes of the model.
        scheme: the code base's importer.
        ops: kinds of the model's operators, which tell layouts apart.

    Raises:
        SpecError: if the rules do not say for some of our keys.
    """
    names, lost = public_names(expected, scheme, ops)
    found: dict[str, Blank] = {}
    for key, parts in names.items():
        for part, shape in zip(parts, _shapes(scheme, expected[key], parts, ops), strict=True):
            found[part] = Blank(shape)
    count = sum(map(len, names.values()))
    told = scheme.tells(expected, frozenset(ops)) and not lost and len(found) == count
    if not told or not _is_whole(found, names, scheme, expected):
        shown = f": {lost[0]}" if lost else ""
        message = f"the rules of {scheme.name} do not tell what all keys are called there{shown}"
        help = "--like FILE tells by a checkpoint of the same model there, such as a fresh one"
        raise SpecError(Diagnostic("no-way-back", message, help=help))
    return found


def _is_whole(
    found: Mapping[str, Blank], names: Mapping[str, Names], scheme: Importer,
    expected: Mapping[str, Shape],
) -> bool:  # fmt: skip
    """Tell whether the importer, given all these keys, makes each of them what it was made of."""
    whole = scheme.among(found)
    return all(_leads_to(parts, key, whole, expected) for key, parts in names.items())


def _shapes(scheme: Importer, shape: Shape, parts: Names, ops: Collection[str]) -> list[Shape]:
    """Return the shapes of the tensors that a tensor of ours is made of."""
    if scheme.volumes and len(shape) == 4 and len(parts) == 1:
        shape = (*shape[:2], 1, *shape[2:])
    if len(shape) == 2 and "conv3d" in ops and any_match(scheme.pointwise, parts):
        shape = (*shape, 1, 1, 1)
    tap = scheme.routes(parts[0])[0].tap
    if tap is None:
        return [tuple(shape)]
    rest = (*shape[: tap.dim], *shape[tap.dim + 1 :])
    if tap.joined:
        rest = (*shape[: tap.dim], shape[tap.dim] // len(parts), *shape[tap.dim + 1 :])
    return [tuple(rest)] * len(parts)


def _before(
    key: str, shape: Shape, backs: Sequence[Back], expected: Collection[str]
) -> Iterator[Names]:
    """Yield what a key of ours may have been before the rules, the most changed first."""
    states: list[Names] = [(key,)]
    for back in reversed(backs):
        after: dict[Names, None] = {}
        for names in states:
            choices = [list(_undone(back, name, shape, expected)) for name in names]
            if len(names) == 1:
                after.update(dict.fromkeys(choices[0]))
            else:  # parts of a stack go the same way
                for parts in zip(*choices, strict=False):
                    if all(len(part) == 1 for part in parts):
                        after[tuple(part[0] for part in parts)] = None
        states = list(itertools.islice(after, _MOST))
    yield from states


def _undone(back: Back, key: str, shape: Shape, expected: Collection[str]) -> Iterator[Names]:
    """Yield what a rule may have made a key of, and the key itself; what fits is seen later."""
    rule = back.rule.rule if isinstance(back.rule, Conditional) else back.rule
    if isinstance(rule, Rename):
        yield from ((name,) for name in _renamed(rule, key, back, expected))
    elif isinstance(rule, Stack):
        yield from _unstacked(rule, key, shape)
    yield (key,)


def _renamed(rule: Rename, key: str, back: Back, expected: Collection[str]) -> Iterator[str]:
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
            whole = dict(zip(rule.pattern.names, taken, strict=True))
            if back.allows({**whole, **pieces}, expected):
                yield source.write(whole)


def _unstacked(rule: Stack, key: str, shape: Shape) -> Iterator[Names]:
    pieces = _as_pattern(rule.target.text, ()).match(key)
    if pieces is None:
        return
    source = Template(rule.pattern.text)
    whole = shape[rule.dim] if len(shape) > rule.dim else 0
    if rule.order is not None:
        count = len(rule.order)
        if whole % count if rule.joined else whole != count:
            return
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


def _leads_to(names: Names, key: str, scheme: Importer, expected: Collection[str]) -> bool:
    routes = [choose(scheme.routes(name), expected) for name in names]
    return all(_arrives(route, key, len(names)) for route in routes)


def _arrives(route: Route, key: str, parts: int) -> bool:
    plain = route.dropped is None and route.row is None
    return plain and route.key == key and (route.tap is not None or parts == 1)
