"""A video network's weights start another that shares its backbone: other policy, frames, input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

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
    adapt_channels,
    check_policy,
    inflate,
    resample,
    resize_kernel,
)
from stspec.weights.report import Entry, Imported, Report

NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Graft:
    """What is known of the two networks beyond keys and shapes.

    `policy_of` says how a key's 2D kernel is inflated. `there` and `here` have the keys of either
    network that an image network calls differently, and what it calls them: by these two find
    each other whose modules stand in different blocks. `along` are the axes of a key along which
    frames run. `channels` are those of both inputs; `keep` lets the first keep their own weights.
    """

    policy_of: Callable[[str], str]
    there: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    here: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    along: Mapping[str, tuple[Along, ...]] = field(default_factory=dict)
    channels: tuple[int, int] | None = None
    keep: bool = False
    class_layers: Mapping[str, int] = field(default_factory=lambda: CLASS_LAYERS)


def transplant(
    state: Mapping[str, HasShape], expected: Mapping[str, Shape], graft: Graft
) -> Imported:
    """Fill the keys and shapes of a network from the state dict of another, both of our names.

    A tensor of the same key and shape is taken as it is (axes of size 1 apart). Kernels that look
    at single frames are inflated as `graft` says; those over time are summed where the network
    looks at single frames, and resized where it looks at others. What depends on the number of
    frames is resampled, a stem adapted to other channels. What does not fit otherwise keeps its
    initial values, and the report says so.

    Raises SpecError where nothing of the one belongs to the other.
    """
    given = {graft.there.get(key, key): key for key in state}
    used: set[str] = set()
    filled: dict[str, Array] = {}
    entries: list[Entry] = []
    for key, shape in expected.items():
        source = key if key in state else given.get(graft.here.get(key, key))
        if source is None:
            entries.append(absent(key, shape))
            continue
        used.add(source)
        how = () if source == key else ("renamed",)
        piece = Piece(key, as_array(state[source]), (source,), how)
        if (axis := other_classes(piece, tuple(shape), graft.class_layers)) is not None:
            entries.extend(replaced(piece, tuple(shape), axis))
            continue
        fitted = _fit(piece, tuple(shape), graft)
        if fitted is None:
            entries.append(absent(key, shape, _reason(piece.array.shape, graft.policy_of(key))))
            continue
        filled[key], done = fitted
        entries.append(loaded(piece, tuple(shape), *done))
    entries += [
        unexpected(Piece(key, as_array(value), (key,), ()))
        for key, value in state.items()
        if key not in used
    ]
    if not filled and expected:
        raise SpecError(foreign(state, expected, OWN))
    return Imported(filled, Report(OWN.name, tuple(entries)))


def _reason(there: Shape, policy: str) -> str:
    if policy == "scratch":
        return "its rule starts it from scratch"
    return f"it is {size_text(there)} there"


def _fit(piece: Piece, shape: Shape, graft: Graft) -> tuple[Array, tuple[str, ...]] | None:
    """Return the tensor in the network's shape and what was done, or None."""
    array, told = _resampled(piece, shape, graft)
    if array.ndim in (4, 5) and len(shape) in (4, 5):
        return _kernel(replace(piece, array=array), shape, graft, told)
    same = reshaped(array, shape)
    return None if same is None else (same, told)


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
    there, here = kernel.shape[1], wanted[1]
    if there != here and graft.channels == (there, here):
        kernel = adapt_channels(kernel, here, keep=graft.keep)
        told = (*told, f"adapted ({there} to {here} channels)")
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
