"""An image network's weights start a video network: by equality in 2D, by inflation in 3D."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from stspec.diagnostics import SpecError
from stspec.weights.arrays import Array, HasShape, Shape, reshaped
from stspec.weights.gather import Piece, gather
from stspec.weights.importer import (
    CLASS_LAYERS,
    absent,
    foreign,
    loaded,
    replaced,
    scheme_of,
    unexpected,
)
from stspec.weights.inflate import SAME_IN_2D, adapt_channels, check_policy, inflate
from stspec.weights.misfit import Misfit, diagnose
from stspec.weights.report import Entry, Imported, Report

RGB = 3


def fill_from_image(
    image_state: Mapping[str, HasShape],
    expected: Mapping[str, Shape],
    policy_of: Callable[[str], str],
    importer: str | None = None,
    *,
    class_layers: Collection[str] = CLASS_LAYERS,
    moved: Mapping[str, str] | None = None,
) -> Imported:
    """Fill the keys and shapes of a video model from the state dict of an image network.

    A tensor of the same key and shape is taken as it is (axes of size 1 apart). A convolution
    that is (O, I, kh, kw) in the image network and (O, I, T, kh, kw) in the model is inflated as
    `policy_of` says for its key: `repeat`, `average`, `center`, `zero_init` or `scratch`. A stem
    for 3 channels is adapted to the model's number of channels. A classifier of another number
    of classes is left out. Keys that the model alone has are filled: they keep their initial
    values. `importer` is as in `import_state_dict`. `moved` has the keys that an image network
    calls differently, and what it calls them; where such a convolution has fewer channels than
    the one whose place it takes, it takes the first of them.

    Raises SpecError where another tensor does not fit, or nothing belongs to the model.
    """
    moved = moved or {}
    known = {moved.get(key, key): shape for key, shape in expected.items()}
    scheme = scheme_of(image_state, known, importer)
    pieces, left_out = gather(image_state, known, scheme)
    state: dict[str, Array] = {}
    entries: list[Entry] = []
    misfits: list[Misfit] = []
    for key, shape in expected.items():
        piece = pieces.pop(moved.get(key, key), None)
        if piece is None:
            entries.append(absent(key, shape))
            continue
        piece = replace(piece, key=key)
        if key in moved:
            piece = _leading(piece, tuple(shape))
        if _is_other_classifier(piece, shape, class_layers):
            entries.extend(replaced(piece, shape))
            continue
        fitted = _fit(piece, tuple(shape), policy_of)
        if fitted is None:
            misfits.append(Misfit(key, piece.array.shape, tuple(shape)))
            continue
        array, how = fitted
        if array is None:
            entries.append(absent(key, shape, "its rule starts it from scratch"))
            continue
        state[key] = array
        entries.append(loaded(piece, tuple(shape), *how))
    entries.extend(left_out)
    entries.extend(unexpected(piece) for piece in pieces.values())
    if problems := diagnose(misfits, len(expected)):
        raise SpecError(problems)
    if not state and expected:
        raise SpecError(foreign(image_state, expected, scheme))
    return Imported(state, Report(scheme.name, tuple(entries)))


def _fit(
    piece: Piece, shape: Shape, policy_of: Callable[[str], str]
) -> tuple[Array | None, tuple[str, ...]] | None:
    """The tensor in the model's shape (None: from scratch) and what was done, or None."""
    array = piece.array
    how: tuple[str, ...] = ()
    if array.ndim == 4 and len(shape) >= 4 and array.shape[1] == RGB != shape[1]:
        how = (f"adapted ({RGB} to {shape[1]} channels)",)
        array = adapt_channels(array, shape[1])
    if array.ndim == 4 and len(shape) == 5 and array.shape == (*shape[:2], *shape[3:]):
        policy = policy_of(piece.key)
        check_policy(policy)
        if shape[2] > 1 or policy not in SAME_IN_2D:
            return inflate(array, shape[2], policy), (*how, f"inflated ({policy})")
    same = reshaped(array, shape)
    return None if same is None else (same, how)


def _leading(piece: Piece, shape: Shape) -> Piece:
    """The first channels of a convolution's tensor, where the model has fewer of them."""
    there, here = piece.array.shape[:2], shape[:2]
    fewer = there != here and all(a >= b for a, b in zip(there, here, strict=True))
    if not fewer or piece.array.ndim not in (1, 4):
        return piece
    told = f"the first {' of '.join(str(n) for n in (here[0], there[0]))} channels"
    cut = piece.array[tuple(slice(size) for size in here)]
    return replace(piece, array=cut, how=(*piece.how, told))


def _is_other_classifier(piece: Piece, shape: Shape, class_layers: Collection[str]) -> bool:
    if piece.key.rpartition(".")[0] not in class_layers:
        return False
    there = piece.array.shape
    return bool(there) and bool(shape) and there[0] != shape[0]
