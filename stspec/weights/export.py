"""Our tensors go back under another code base's keys: what an importer does, undone.

A template says which keys and shapes the code base has: a checkpoint of it, or a record of one.
Each of its keys is routed as on the way in, and what that made of the tensors is taken apart again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from stspec.diagnostics import Diagnostic, SpecError
from stspec.weights.arrays import Array, HasShape, Shape, as_array, is_counter, reshaped, size_text
from stspec.weights.gather import choose
from stspec.weights.report import Action, Entry, Report
from stspec.weights.rules import Importer, Route, Tap


@dataclass(frozen=True, slots=True)
class Exported:
    """Tensors under a code base's keys, in its order, and what became of every tensor."""

    state: Mapping[str, Array]
    report: Report


@dataclass(slots=True)
class _Ledger:
    state: dict[str, Array] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    problems: list[Diagnostic] = field(default_factory=list)


def export_state_dict(
    ours: Mapping[str, HasShape], like: Mapping[str, HasShape], scheme: Importer
) -> Exported:
    """Return our tensors under the keys of a template, in its order and its shapes.

    Args:
        ours: the state of one of our models.
        like: what the code base's state dict looks like; where it holds values, parameters that
            are registered there and never used are taken from it, else they are zeros.
        scheme: the code base's importer.

    Raises:
        SpecError: if the template asks for what our model lacks, or has other shapes.
    """
    ledger = _Ledger()
    chosen = scheme.among(like)
    routes = {name: choose(chosen.routes(name), ours) for name in like}
    parts = _parts(routes, like)
    for name, route in routes.items():
        shape = tuple(like[name].shape)
        if route.dropped is not None:
            ledger.state[name] = _own(like[name])
            ledger.entries.append(Entry(name, "filled", shape, reason=route.dropped))
        elif route.key in ours:
            _put(name, shape, route, as_array(ours[route.key]), parts, like, ledger)
        elif is_counter(name):
            ledger.state[name] = np.zeros(shape, np.int64)
            ledger.entries.append(Entry(name, "counter", shape))
        else:
            message = f"`{name}` is asked for, and the model has no `{route.key}`"
            ledger.problems.append(Diagnostic("no-such-tensor", message))
    if ledger.problems:
        raise SpecError(ledger.problems[:5])
    for key in ours:
        if key not in ledger.used:
            shape = tuple(as_array(ours[key]).shape)
            there: Action = "counter" if is_counter(key) else "left_out"
            ledger.entries.append(
                Entry(key, there, shape, reason=f"{scheme.name} has no such tensor")
            )
    return Exported(ledger.state, Report("stspec", tuple(ledger.entries)))


def _own(value: HasShape) -> Array:
    """Return the template's values, or zeros where it has none."""
    has_values = isinstance(value, np.ndarray) or hasattr(value, "detach")
    return as_array(value) if has_values else np.zeros(tuple(value.shape), np.float32)


def _parts(
    routes: Mapping[str, Route], like: Mapping[str, HasShape]
) -> dict[str, dict[int, Shape]]:
    """Return, by our key, the positions and shapes of the tensors that it is made of."""
    found: dict[str, dict[int, Shape]] = {}
    for name, route in routes.items():
        if route.tap is not None:
            found.setdefault(route.key, {})[route.tap.position] = tuple(like[name].shape)
    return found


def _put(
    name: str, shape: Shape, route: Route, value: Array, parts: Mapping[str, Mapping[int, Shape]],
    like: Mapping[str, HasShape], ledger: _Ledger,
) -> None:  # fmt: skip
    """Write a tensor of ours, or its part, under a key of the template."""
    how: tuple[str, ...] = () if route.key == name else ("renamed",)
    found: Array | None = value
    if route.tap is not None:
        found, how = _part(value, route.tap, parts[route.key]), ("taken apart",)
    elif route.row is not None:
        found, how = _own(like[name]).copy(), ("taken",)
        row = reshaped(value, found.shape[1:])
        if row is not None:
            found[route.row] = row
    fitted = None if found is None else reshaped(found, shape)
    if fitted is None:
        there = size_text(shape)
        message = f"`{name}` is {there} there, `{route.key}` is {size_text(value.shape)} here"
        ledger.problems.append(Diagnostic("weight-shape", message))
        return
    if found is not None and fitted.shape != found.shape:
        how = (*how, "reshaped")
    ledger.state[name] = np.ascontiguousarray(fitted).reshape(shape)
    ledger.used.add(route.key)
    ledger.entries.append(Entry(name, "loaded", shape, (route.key,), how))


def _part(value: Array, tap: Tap, parts: Mapping[int, Shape]) -> Array | None:
    """Return one of the tensors that a stack was made of; a batch counter is alike in all."""
    if not value.ndim:
        return value
    order = sorted(parts)
    place = order.index(tap.position)
    if not tap.joined:
        if value.ndim <= tap.dim or value.shape[tap.dim] != len(order):
            return None
        return np.asarray(value.take(place, tap.dim))
    if any(len(parts[position]) <= tap.dim for position in order):
        return None
    sizes = [parts[position][tap.dim] for position in order]
    if value.ndim <= tap.dim or sum(sizes) != value.shape[tap.dim]:
        return None
    start = sum(sizes[:place])
    return np.asarray(value.take(range(start, start + sizes[place]), tap.dim))


@dataclass(frozen=True, slots=True)
class Blank:
    """A tensor of a template that has a shape and no values."""

    shape: Shape
