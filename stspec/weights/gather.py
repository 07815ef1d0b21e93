"""Public tensors are carried to our keys: routed by the rules, and stacked where rules say so."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from stspec.diagnostics import Diagnostic, SpecError
from stspec.weights.arrays import Array, HasShape, as_array, size_text
from stspec.weights.report import Entry
from stspec.weights.rules import Importer, Route


@dataclass(frozen=True, slots=True)
class Piece:
    """A tensor under our key, not yet compared with the shape that is expected.

    `tied` says that it was found under the second of a tensor's names.
    """

    key: str
    array: Array
    sources: tuple[str, ...]
    how: tuple[str, ...]
    tied: bool = False


@dataclass(slots=True)
class _Gathering:
    pieces: dict[str, Piece] = field(default_factory=dict)
    left_out: list[Entry] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)


def gather(
    public: Mapping[str, HasShape], expected: Collection[str], scheme: Importer
) -> tuple[dict[str, Piece], list[Entry]]:
    """Carry every public tensor to one of our keys, or say why it is left out.

    Raises SpecError where two tensors would become one, or the parts of a stack do not agree.
    """
    result = _Gathering()
    scheme = scheme.among(public)
    stacks: dict[str, list[tuple[Route, str]]] = {}
    for name in public:
        route = choose(scheme.routes(name), expected)
        if route.dropped is not None:
            shape = tuple(public[name].shape)
            result.left_out.append(_foreseen(name, shape, route.dropped, route.inert))
        elif route.tap is not None:
            stacks.setdefault(route.key, []).append((route, name))
        elif route.row is not None:
            _take(route, route.row, name, public, result)
        else:
            how = () if route.key == name else ("renamed",)
            piece = Piece(route.key, as_array(public[name]), (name,), how, route.tied)
            _add(piece, result)
    for key, parts in stacks.items():
        _stack(key, parts, public, result)
    if result.problems:
        raise SpecError(result.problems)
    return result.pieces, result.left_out


def _foreseen(name: str, shape: tuple[int, ...], reason: str, inert: bool) -> Entry:
    return Entry(name, "left_out", shape, reason=reason, inert=inert, foreseen=True)


def choose(routes: Iterable[Route], expected: Collection[str]) -> Route:
    """Return the first route to a key that is expected, else the first."""
    routes = tuple(routes)
    return next((route for route in routes if route.key in expected), routes[0])


def _add(piece: Piece, result: _Gathering) -> None:
    other = result.pieces.get(piece.key)
    if other is None:
        result.pieces[piece.key] = piece
        return
    if piece.tied != other.tied:
        counts, also = (piece, other) if piece.tied else (other, piece)
        sources = (*counts.sources, *also.sources)
        result.pieces[piece.key] = replace(counts, sources=sources, how=(*counts.how, "tied"))
        return
    message = (
        f"both `{other.sources[0]}` and `{piece.sources[0]}` of the checkpoint would become "
        f"`{piece.key}`"
    )
    help_text = "the checkpoint follows another key scheme: name its importer"
    result.problems.append(Diagnostic("ambiguous-weights", message, help=help_text))


def _take(
    route: Route, row: int, name: str, public: Mapping[str, HasShape], result: _Gathering
) -> None:
    array = as_array(public[name])
    if row >= len(array):
        message = f"`{name}` has {len(array)} entries, of which number {row + 1} is needed"
        result.problems.append(Diagnostic("incomplete-stack", message))
        return
    shape = (len(array) - 1, *array.shape[1:])
    reason = f"all entries but number {row + 1}, which no clip reads"
    result.left_out.append(_foreseen(name, shape, reason, inert=True))
    _add(Piece(route.key, array[row], (name,), ("taken",)), result)


def _stack(
    key: str,
    parts: list[tuple[Route, str]],
    public: Mapping[str, HasShape],
    result: _Gathering,
) -> None:
    taps = {route.tap.position: name for route, name in parts if route.tap is not None}
    tap = parts[0][0].tap
    assert tap is not None
    sources = tuple(taps[position] for position in sorted(taps))
    first = 0 if tap.count else min(min(taps), 1)
    count = tap.count or max(taps) + 1 - first
    if missing := sorted(set(range(first, first + count)) - set(taps)):
        places = ", ".join(str(place + 1) for place in missing)
        message = (
            f"`{key}` needs {count} tensors of the checkpoint and lacks number {places}; "
            f"found {', '.join(sources)}"
        )
        result.problems.append(Diagnostic("incomplete-stack", message))
        return
    arrays = [as_array(public[name]) for name in sources]
    if len({array.shape for array in arrays}) > 1:
        sizes = ", ".join(
            f"`{name}` is {size_text(array.shape)}"
            for name, array in zip(sources, arrays, strict=True)
        )
        message = f"the tensors that make `{key}` have different shapes: {sizes}"
        result.problems.append(Diagnostic("incomplete-stack", message))
        return
    if tap.joined and not arrays[0].shape:
        arrays = [arrays[0].reshape(1)]  # a counter, alike in all parts
    stacked = np.concatenate(arrays, tap.dim) if tap.joined else np.stack(arrays, tap.dim)
    _add(Piece(key, stacked, sources, ("joined" if tap.joined else "stacked",)), result)
