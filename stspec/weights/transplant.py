"""A video network's weights start another that shares its backbone: other policy, frames, input."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from stspec.diagnostics import SpecError
from stspec.weights.arrays import Array, HasShape, Shape, as_array, reshaped, size_text
from stspec.weights.gather import Piece
from stspec.weights.importer import (
    CLASS_LAYERS,
    OWN,
    absent,
    foreign,
    loaded,
    other_classes,
    replaced,
    unexpected,
)
from stspec.weights.inflate import (
    SAME_IN_2D,
    Along,
    Keep,
    adapt_channels,
    check_policy,
    inflate,
    resample,
    resize_kernel,
)
from stspec.weights.report import Entry, Imported, Report

NOTHING: Mapping[str, str] = {}

Parts = Mapping[tuple[int, int], int]
"""Where a part begins in a whole, by the channels of the part and those of the whole."""


@dataclass(frozen=True, slots=True)
class Graft:
    """What is known of the two networks beyond keys and shapes.

    `policy_of` says how a key's 2D kernel is inflated. `there` and `here` have the keys of either
    network that an image network calls differently, and what it calls them: by these two find
    each other whose modules stand in different blocks. `beside_there` and `beside_here` have the
    keys of pathways beside the trunk, and what a trunk calls them: a stack that the other network
    has in another place gives or takes what fits. `along` are the axes of a key along which frames
    run. `stems` are the keys that read the clip, whose channels may differ; `keep` says which of
    them keep their own weights. `parts_there` and `parts_here` say where a value stands in what
    several pathways give side by side.
    """

    policy_of: Callable[[str], str]
    there: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    here: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    beside_there: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    beside_here: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    along: Mapping[str, tuple[Along, ...]] = field(default_factory=dict)
    stems: Collection[str] = ()
    keep: Keep = "none"
    parts_there: Parts = field(default_factory=dict)
    parts_here: Parts = field(default_factory=dict)
    class_layers: Mapping[str, int] = field(default_factory=lambda: CLASS_LAYERS)


def transplant(
    state: Mapping[str, HasShape], expected: Mapping[str, Shape], graft: Graft
) -> Imported:
    """Fill the keys and shapes of a network from the state dict of another, both of our names.

    A tensor of the same key and shape is taken as it is (axes of size 1 apart). Kernels that look
    at single frames are inflated as `graft` says; those over time are summed where the network
    looks at single frames, and resized where it looks at others. What depends on the number of
    frames is resampled, a stem adapted to other channels. What reads another pathway as well gets
    zeros for that, so that it computes what it did, and loses them where the other is gone. What
    does not fit otherwise keeps its initial values, and the report says so.

    Raises SpecError where nothing of the one belongs to the other.
    """
    names = _Names(state, graft)
    used: set[str] = set()
    filled: dict[str, Array] = {}
    entries: list[Entry] = []
    for key, shape in expected.items():
        source = names.of(key)
        if source is None:
            entries.append(absent(key, shape))
            continue
        how = () if source == key else ("renamed",)
        piece = Piece(key, as_array(state[source]), (source,), how)
        moved = source in names.moved(key)
        if moved or (axis := other_classes(piece, tuple(shape), graft.class_layers)) is None:
            fitted = _fit(piece, tuple(shape), graft)
        else:
            used.add(source)
            entries.extend(replaced(piece, tuple(shape), axis))
            continue
        if fitted is None:
            reason = None if moved else _reason(piece.array.shape, graft.policy_of(key))
            entries.append(absent(key, shape, reason))
        else:
            filled[key], done = fitted
            entries.append(loaded(piece, tuple(shape), *done))
        if fitted is not None or not moved:
            used.add(source)
    entries += [
        unexpected(Piece(key, as_array(value), (key,), ()))
        for key, value in state.items()
        if key not in used
    ]
    if not filled and expected:
        raise SpecError(foreign(state, expected, OWN))
    return Imported(filled, Report(OWN.name, tuple(entries)))


class _Names:
    """Which tensor of the one network each key of the other asks for."""

    def __init__(self, state: Collection[str], graft: Graft) -> None:
        self._state, self._graft = state, graft
        self._given = {graft.there.get(key, key): key for key in state}
        beside = graft.beside_there
        self._beside = {beside[key]: key for key in state if key in beside}

    def of(self, key: str) -> str | None:
        """Return a tensor's name, its own or that of a stack in another place, or None."""
        own = key if key in self._state else self._given.get(self._graft.here.get(key, key))
        return own or next(iter(self.moved(key)), None)

    def moved(self, key: str) -> tuple[str, ...]:
        """Return what a stack in another place has for a key that has no tensor of its name."""
        graft = self._graft
        plain = graft.here.get(key, key)
        if key in self._state or plain in self._given:
            return ()
        trunk = self._given.get(graft.beside_here.get(key, ""))
        stack = self._beside.get(plain)
        return tuple(name for name in (trunk, stack) if name is not None)


def _reason(there: Shape, policy: str) -> str:
    if policy == "scratch":
        return "its rule starts it from scratch"
    return f"it is {size_text(there)} there"


def _fit(piece: Piece, shape: Shape, graft: Graft) -> tuple[Array, tuple[str, ...]] | None:
    """Return the tensor in the network's shape and what was done, or None."""
    array, told = _resampled(piece, shape, graft)
    if array.ndim in (4, 5) and len(shape) in (4, 5):
        return _kernel(replace(piece, array=array), shape, graft, told)
    if array.ndim == len(shape) == 2:
        array, more = _read(piece.key, array, shape[1], graft)
        told = (*told, *more)
    same = reshaped(array, shape)
    return None if same is None else (same, told)


def _read(key: str, kernel: Array, here: int, graft: Graft) -> tuple[Array, tuple[str, ...]]:
    """Return weights (O, I, ...) that read another number of channels, where that is explained."""
    there = kernel.shape[1]
    sizes = f"{there} to {here} channels"
    if there == here:
        return kernel, ()
    if key in graft.stems:
        return adapt_channels(kernel, here, keep=graft.keep), (f"adapted ({sizes})",)
    if (begin := graft.parts_here.get((there, here))) is not None:
        padded = np.zeros((len(kernel), here, *kernel.shape[2:]), kernel.dtype)
        padded[:, begin : begin + there] = kernel
        return padded, (f"beside zeros ({sizes})",)
    if (begin := graft.parts_there.get((here, there))) is not None:
        return kernel[:, begin : begin + here], (f"a pathway's part ({sizes})",)
    return kernel, ()


def _resampled(piece: Piece, shape: Shape, graft: Graft) -> tuple[Array, tuple[str, ...]]:
    """Return a tensor with as many entries along frames as are expected."""
    array = piece.array
    told: tuple[str, ...] = ()
    for along in graft.along.get(piece.key, ()):
        if array.ndim != len(shape) or array.shape[along.axis] == shape[along.axis]:
            continue
        changed = resample(array, along, shape[along.axis])
        if changed is not None:
            array, told = changed, ("resampled in time",)
    return array, told


def _kernel(
    piece: Piece, shape: Shape, graft: Graft, told: tuple[str, ...]
) -> tuple[Array, tuple[str, ...]] | None:
    """Return a convolution's kernel in the network's shape: its channels, then its frames."""
    kernel = piece.array if piece.array.ndim == 5 else piece.array[:, :, None]
    wanted = shape if len(shape) == 5 else (*shape[:2], 1, *shape[2:])
    kernel, more = _read(piece.key, kernel, wanted[1], graft)
    told = (*told, *more)
    if kernel.shape[:2] != wanted[:2] or kernel.shape[3:] != wanted[3:]:
        return None
    length, frames = kernel.shape[2], wanted[2]
    if length == 1 and (frames > 1 or piece.array.ndim < len(shape)):
        policy = graft.policy_of(piece.key)
        check_policy(policy)
        if frames > 1 or policy not in SAME_IN_2D:
            inflated = inflate(kernel[:, :, 0], frames, policy)
            return None if inflated is None else (inflated, (*told, f"inflated ({policy})"))
    elif frames == 1 and length > 1:
        kernel = kernel.sum(axis=2, keepdims=True, dtype=kernel.dtype)
        told = (*told, f"summed over {length} frames")
    elif frames != length:
        kernel = resize_kernel(kernel, frames)
        told = (*told, f"resized ({length} to {frames} frames)")
    return kernel.reshape(shape), told
