"""An image network's weights start a video network: by equality in 2D, by inflation in 3D."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

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
    class_layers: Mapping[str, int] = CLASS_LAYERS,
    moved: Mapping[str, str] | None = None,
    shared: Mapping[str, str] | None = None,
) -> Imported:
    """Fill the keys and shapes of a video model from the state dict of an image network.

    A tensor of the same key and shape is taken as it is (axes of size 1 apart). A convolution
    that is (O, I, kh, kw) in the image network and (O, I, T, kh, kw) in the model is inflated as
    `policy_of` says for its key: `repeat`, `average`, `center`, `zero_init` or `scratch`. A stem
    for 3 channels is adapted to the model's number of channels. A classifier of another number
    of classes is left out. Keys that the model alone has are filled: they keep their initial
    values. `importer` is as in `import_state_dict`. `moved` has the keys that an image network
    calls differently, and what it calls them; where such a convolution has fewer channels than
    the one whose place it takes, it takes the first of them. `shared` has the keys of stacks
    beside the trunk, and what an image network calls them: they take what fits.

    Raises SpecError where another tensor does not fit, or nothing belongs to the model.
    """
    moved, shared = moved or {}, shared or {}
    known = {moved.get(key, key): shape for key, shape in expected.items()}
    scheme = scheme_of(image_state, known, importer)
    pieces, left_out = gather(image_state, known, scheme)
    filling = _Filling(policy_of, class_layers)
    every = dict(pieces)
    for key, shape in expected.items():
        if key in shared:
            filling.beside(key, tuple(shape), every.get(shared[key]))
        else:
            piece = pieces.pop(moved.get(key, key), None)
            filling.trunk(key, tuple(shape), piece, key in moved)
    others = [piece for key, piece in pieces.items() if key not in shared.values()]
    filling.entries.extend(left_out)
    filling.entries.extend(map(unexpected, others))
    if problems := diagnose(filling.misfits, len(expected), scheme):
        raise SpecError(problems)
    if not filling.state and expected:
        raise SpecError(foreign(image_state, expected, scheme))
    return Imported(filling.state, Report(scheme.name, tuple(filling.entries)))


@dataclass(slots=True)
class _Filling:
    """What has been decided of a model's tensors so far."""

    policy_of: Callable[[str], str]
    class_layers: Mapping[str, int]
    state: dict[str, Array] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    misfits: list[Misfit] = field(default_factory=list)

    def trunk(self, key: str, shape: Shape, piece: Piece | None, moved: bool) -> None:
        """Fill a tensor of the trunk; one that does not fit is a mistake."""
        if piece is None:
            self.entries.append(absent(key, shape))
            return
        piece = replace(piece, key=key)
        if moved:
            piece = _leading(piece, shape)
        if _is_other_classifier(piece, shape, self.class_layers):
            self.entries.extend(replaced(piece, shape))
        elif (fitted := _fit(piece, shape, self.policy_of)) is None:
            self.misfits.append(Misfit(key, piece.array.shape, shape))
        else:
            self._take(piece, shape, *fitted)

    def beside(self, key: str, shape: Shape, piece: Piece | None) -> None:
        """Fill a tensor of a stack beside the trunk, where the image network's fits."""
        fitted = None if piece is None else _fit(replace(piece, key=key), shape, self.policy_of)
        if piece is None or fitted is None:
            self.entries.append(absent(key, shape))
        else:
            self._take(replace(piece, key=key), shape, *fitted)

    def _take(self, piece: Piece, shape: Shape, array: Array | None, how: tuple[str, ...]) -> None:
        if array is None:
            self.entries.append(absent(piece.key, shape, "its rule starts it from scratch"))
            return
        self.state[piece.key] = array
        self.entries.append(loaded(piece, shape, *how))


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


def _is_other_classifier(piece: Piece, shape: Shape, class_layers: Mapping[str, int]) -> bool:
    if piece.key.rpartition(".")[0] not in class_layers:
        return False
    there = piece.array.shape
    return bool(there) and bool(shape) and there[0] != shape[0]
