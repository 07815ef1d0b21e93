"""The keys that a code base would give our tensors: an importer's rules, undone one by one.

Rules lose things, such as names that two keys become. What a rule may have been applied to is a
list, the most changed first; what leads back to our key by the rules is taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from stspec.diagnostics import Diagnostic, SpecError
from stspec.weights.arrays import Shape
from stspec.weights.export import Blank
from stspec.weights.gather import choose
from stspec.weights.patterns import Pattern, Tables, Template, any_match
from stspec.weights.rules import (
    Axes,
    Back,
    Conditional,
    Drop,
    Importer,
    Model,
    Remove,
    Rename,
    Route,
    Stack,
    Take,
    strip,
)

Names = tuple[str, ...]
"""One public key, or all those that are stacked to one tensor of ours."""

_MOST = 256


@dataclass(frozen=True)
class _Undo:
    """A rule on its way back for a model: the patterns of what its templates write."""

    back: Back
    model: Model

    @cached_property
    def source(self) -> Template:
        """The template of the keys that the rule reads."""
        rule = self.back.bare
        assert not isinstance(rule, Remove)
        return Template(rule.pattern.text)

    @cached_property
    def targets(self) -> Sequence[Pattern]:
        """Patterns of what the rule writes."""
        rule = self.back.bare
        if isinstance(rule, Rename):
            return [_written(target, rule.tables) for target in rule.targets]
        return [_written(rule.target, {})] if isinstance(rule, Stack | Take) else []

    def before(self, key: str, shape: Shape) -> Iterator[Names]:
        """Yield what the rule may have made a key of; whether it did is seen later."""
        rule = self.back.bare
        if isinstance(rule, Rename) and not rule.tied:
            for found in self.renamed(rule, key):
                yield (found,)
        elif isinstance(rule, Stack):
            yield from self._unstacked(rule, key, shape)
        elif isinstance(rule, Take) and rule.rows:
            pieces = self.targets[0].match(key)
            if pieces is not None and set(rule.pattern.names) <= set(pieces):
                yield (self.source.write(pieces),)

    def renamed(self, rule: Rename, key: str) -> Iterator[str]:
        """Yield what a rule may have written a key from."""
        for target in self.targets:
            pieces = target.match(key)
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
                if self.back.allows({**whole, **pieces}, self.model):
                    yield self.source.write(whole)

    def _parts(self, rule: Stack) -> int | None:
        return self.model.groups(rule.parts) if isinstance(rule.parts, str) else rule.parts

    def _unstacked(self, rule: Stack, key: str, shape: Shape) -> Iterator[Names]:
        pieces = self.targets[0].match(key)
        if pieces is None or not self.back.allows(pieces, self.model):
            return
        whole = shape[rule.dim] if len(shape) > rule.dim else 0
        if rule.order is not None:
            count = len(rule.order)
            if whole % count if rule.joined else whole != count:
                return
            places = rule.order
        elif (parts := self._parts(rule)) and whole % parts == 0:
            places = tuple(str(rule.first + number) for number in range(parts))
        elif not rule.joined and len(shape) > rule.dim:
            places = tuple(str(number) for number in range(shape[rule.dim]))
        else:
            return
        if set(rule.pattern.names) <= {*pieces, rule.along}:
            yield tuple(self.source.write({**pieces, rule.along: place}) for place in places)


def public_names(model: Model, scheme: Importer) -> tuple[dict[str, Names], list[str]]:
    """Return the public keys of each of our keys, and our keys for which none was found."""
    fitting = [back for b in scheme.backs if (back := b.among(model)) is not None]
    meant = [back.rule for back in fitting]
    rules = (r for r in scheme.rules if not isinstance(r, Conditional) or r in meant)
    scheme = replace(scheme, rules=tuple(rules))
    undos = [_Undo(back, model) for back in reversed(fitting)]
    found: dict[str, Names] = {}
    lost = []
    for key, shape in model.state.items():
        names = _public(key, shape, undos, scheme, model)
        if names is None:
            lost.append(key)
        else:
            found[key] = names
    return found, lost


def public_template(model: Model, scheme: Importer) -> dict[str, Blank]:
    """Return the keys and shapes that a code base's state dict has for a model of ours.

    Raises:
        SpecError: if the rules do not say for some of our keys.
    """
    if scheme.no_way_back:
        message = f"nothing is written for {scheme.name}: {scheme.no_way_back}"
        raise SpecError(Diagnostic("no-way-back", message))
    if (reason := _hopeless(model, scheme)) is not None:
        raise SpecError(_no_way_back(scheme, reason))
    writes = (back for b in scheme.writes if (back := b.among(model)) is not None)
    axes = (axes for axes in scheme.axes if axes.models.fits(model))
    scheme = replace(scheme, writes=tuple(writes), axes=tuple(axes))
    names, lost = public_names(model, scheme)
    if lost:
        raise SpecError(_no_way_back(scheme, f"none leads to `{lost[0]}`"))
    found: dict[str, Blank] = {}
    for key, parts in names.items():
        for part, shape in zip(parts, _shapes(scheme, model, key, parts), strict=True):
            if part in found:
                raise SpecError(_no_way_back(scheme, f"two tensors of ours would be `{part}`"))
            found[part] = Blank(shape)
    found |= dict(_unused(model, scheme))
    if (wrong := _astray(found, names, scheme, model)) is not None:
        raise SpecError(_no_way_back(scheme, f"none leads to `{wrong}`"))
    unchanged = len(found.keys() & model.state.keys())
    # Parts of networks may have names that speak for nobody; rules have renamed most of them.
    if 2 * unchanged > len(found) and not any_match(scheme.recognise, map(strip, found)):
        raise SpecError(_no_way_back(scheme, "it has no such model"))
    return found


def _hopeless(model: Model, scheme: Importer) -> str | None:
    """Return why no keys are told for such a model, where that is so."""
    for back in scheme.backs:
        if isinstance(rule := back.bare, Remove):
            return f"where `{min(rule.segments)}` stands is not known"
    if missing := sorted(model.silent - scheme.silent):
        return f"it has no {missing[0]}"
    return None if scheme.models.fits(model) else "it has no such model"


def _no_way_back(scheme: Importer, reason: str) -> Diagnostic:
    message = f"the rules of {scheme.name} do not tell all keys of this model there: {reason}"
    help = "--like FILE tells by a checkpoint of the same model there, such as a fresh one"
    return Diagnostic("no-way-back", message, help=help)


def _public(
    key: str, shape: Shape, undos: Sequence[_Undo], scheme: Importer, model: Model
) -> Names | None:
    """Return the public keys of one of our keys, of a tied one all; None if there are none."""
    stacked = None
    for names in _before(key, shape, undos):
        written = tuple(scheme.written(name, model) for name in names)
        if not _leads_to(written, key, scheme, model):
            continue
        tap = scheme.routes(written[0])[0].tap
        if tap is None or tap.count is not None:
            return stacked or written if tap is None else written
        # Parts that have names of their own come before numbered ones.
        stacked = stacked or written
    return stacked


def _before(key: str, shape: Shape, undos: Sequence[_Undo]) -> Iterator[Names]:
    """Yield what a key of ours may have been before the rules, the most changed first."""
    states: list[Names] = [(key,)]
    for undo in undos:
        after: dict[Names, None] = {}
        for names in states:
            choices = [[*undo.before(name, shape), (name,)] for name in names]
            if len(names) == 1:
                after.update(dict.fromkeys(choices[0]))
            else:  # parts of a stack go the same way
                for parts in zip(*choices, strict=False):
                    if all(len(part) == 1 for part in parts):
                        after[tuple(part[0] for part in parts)] = None
        states = list(itertools.islice(after, _MOST))
    yield from states


def _unused(model: Model, scheme: Importer) -> Iterator[tuple[str, Blank]]:
    """Yield what is registered there beside our tensors: never read, or a second name."""
    for found in scheme.backs:
        back = found.among(model)
        if back is None:
            continue
        rule = back.bare
        if isinstance(rule, Drop):
            for name, given in rule.shapes.items():
                shape = model.state.get(given) if isinstance(given, str) else given
                if shape is not None:
                    yield scheme.written(name, model), Blank(shape)
        elif isinstance(rule, Rename) and rule.tied:
            undo = _Undo(back, model)
            for key, shape in model.state.items():
                for name in undo.renamed(rule, key):
                    yield scheme.written(name, model), Blank(shape)


def _astray(
    found: Mapping[str, Blank], names: Mapping[str, Names], scheme: Importer, model: Model
) -> str | None:
    """Return a key of ours of which the importer, given all these keys, makes another."""
    if not any(isinstance(rule, Conditional) for rule in scheme.rules):
        return None
    whole = scheme.among(found)
    astray = (key for key, parts in names.items() if not _leads_to(parts, key, whole, model))
    return next(astray, None)


def _shapes(scheme: Importer, model: Model, key: str, parts: Names) -> list[Shape]:
    """Return the shapes of the tensors that a tensor of ours is made of."""
    shape = tuple(model.state[key])
    if scheme.volumes and len(shape) == 4 and len(parts) == 1:
        shape = (*shape[:2], 1, *shape[2:])
    route = scheme.routes(parts[0])[0]
    if (tap := route.tap) is not None and len(shape) > tap.dim:
        size = (shape[tap.dim] // len(parts),) if tap.joined else ()
        shape = (*shape[: tap.dim], *size, *shape[tap.dim + 1 :])
    elif route.row is not None:
        shape = (route.rows or 1, *(n for n in shape if n != 1))
    for axes in scheme.axes:
        if axes.pattern.fits(scheme.strip(parts[0])):
            shape = _with_axes(shape, axes)
    return [shape] * len(parts)


def _with_axes(shape: Shape, axes: Axes) -> Shape:
    """Return a shape of other axes; those that come and go are of size 1."""
    if axes.lead is not None:
        shape = (*[1] * axes.lead, *(n for n in shape if n != 1))
    while len(shape) > axes.count and shape[-1] == 1:
        shape = shape[:-1]
    return (*shape, *[1] * (axes.count - len(shape)))


def _written(target: Template, tables: Tables) -> Pattern:
    """Return the pattern of what a template writes."""
    used = {name: tables[name] for name in target.names if name in tables}
    return Pattern(
        target.text, {name: {text: text for text in table.values()} for name, table in used.items()}
    )


def _leads_to(names: Names, key: str, scheme: Importer, model: Model) -> bool:
    routes = [choose(scheme.routes(name), model.state) for name in names]
    return all(_arrives(route, key, len(names)) for route in routes)


def _arrives(route: Route, key: str, parts: int) -> bool:
    return route.dropped is None and route.key == key and (route.tap is not None or parts == 1)
