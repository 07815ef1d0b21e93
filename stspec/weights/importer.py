"""A public checkpoint becomes the state of one of our models, every tensor accounted for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stspec.diagnostics import Diagnostic, SpecError
from stspec.weights.arrays import Array, HasShape, Shape, is_counter, reshaped
from stspec.weights.gather import Piece, gather
from stspec.weights.library import load_importer, recognise
from stspec.weights.misfit import Misfit, diagnose
from stspec.weights.report import Entry, Imported, Report
from stspec.weights.rules import Importer

CLASS_LAYERS: Mapping[str, int] = {"fc": 0, "classifier": 0, "classifier.1": 0}
"""Our modules with parameters of the classes, unless the caller names others, and the axis."""

OWN = Importer("stspec", "our own key names", "")
"""The scheme of our own checkpoints."""

Classes = Literal["match", "replace"]


@dataclass(slots=True)
class _Ledger:
    """What import_state_dict has decided so far."""

    state: dict[str, Array] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    misfits: list[Misfit] = field(default_factory=list)


def import_state_dict(
    public: Mapping[str, HasShape],
    expected: Mapping[str, Shape],
    importer: str | None = None,
    *,
    classes: Classes = "match",
    class_layers: Mapping[str, int] = CLASS_LAYERS,
) -> Imported:
    """Carry a checkpoint's tensors, under public names, to the keys and shapes of a model.

    `expected` maps the model's keys to shapes, in its order. `importer` names the key scheme, or
    the file of one; where it is None the scheme is recognised by the keys. Tensors are reshaped
    where their axes of size 1 alone differ. With ``classes="replace"`` a classifier of another
    number of classes is left out and the model keeps its own.

    Raises SpecError where the scheme is unknown, a tensor does not fit, the numbers of classes
    differ, or nothing of the checkpoint belongs to the model.
    """
    scheme = scheme_of(public, expected, importer)
    pieces, left_out = gather(public, expected, scheme)
    ledger = _Ledger()
    for key, shape in expected.items():
        piece = pieces.pop(key, None)
        if piece is None:
            ledger.entries.append(absent(key, shape))
        elif (array := reshaped(piece.array, shape)) is not None:
            ledger.state[key] = array
            ledger.entries.append(loaded(piece, shape))
        elif (axis := other_classes(piece, shape, class_layers)) is None:
            ledger.misfits.append(Misfit(key, piece.array.shape, shape))
        elif classes == "replace":
            ledger.entries.extend(replaced(piece, shape, axis))
        else:
            ledger.misfits.append(Misfit(key, piece.array.shape, shape, axis))
    ledger.entries.extend(left_out)
    ledger.entries.extend(unexpected(piece) for piece in pieces.values())
    if problems := diagnose(ledger.misfits, len(expected), scheme):
        raise SpecError(problems)
    if not ledger.state and expected:
        raise SpecError(foreign(public, expected, scheme))
    told = scheme.operators(public)
    return Imported(ledger.state, Report(scheme.name, tuple(ledger.entries), operators=told))


def scheme_of(
    public: Mapping[str, HasShape], expected: Collection[str], importer: str | None
) -> Importer:
    """Return the key scheme that is named or, where none is, that the keys speak for.

    Keys that are all expected already are our own. Raises SpecError where no scheme is found.
    """
    if importer is not None:
        return OWN if importer == OWN.name else load_importer(importer)
    keys = {OWN.strip(key) for key in public}
    counted = {key for key in keys if not is_counter(key)}
    if counted.issubset(expected):
        return OWN
    try:
        return load_importer(recognise(public))
    except SpecError:
        if counted.isdisjoint(expected):
            raise
        return OWN


def loaded(piece: Piece, shape: Shape, *how: str) -> Entry:
    """Return the entry of a tensor that got its values; `how` says what else was done to it."""
    done = piece.how
    if not how and piece.array.shape != shape:
        done = (*done, "reshaped")
    return Entry(piece.key, "loaded", tuple(shape), piece.sources, (*done, *how))


def absent(key: str, shape: Shape, reason: str | None = None) -> Entry:
    """Return the entry of a tensor of ours for which there was nothing."""
    action: Literal["counter", "filled"] = "counter" if is_counter(key) else "filled"
    return Entry(key, action, tuple(shape), reason=reason)


def replaced(piece: Piece, shape: Shape, axis: int = 0) -> Sequence[Entry]:
    """Return the two entries of a classifier that is left for a new one."""
    there, here = piece.array.shape[axis], shape[axis]
    kept = absent(piece.key, shape, f"{here} classes, the checkpoint has {there}")
    left = Entry(piece.sources[0], "left_out", piece.array.shape, reason=f"{there} classes")
    return kept, left


def unexpected(piece: Piece) -> Entry:
    """Return the entry of a public tensor that the model has no place for."""
    name, shape = piece.sources[0], piece.array.shape
    if is_counter(piece.key):
        return Entry(name, "counter", shape)
    ours = "such key" if piece.key == name else f"`{piece.key}`"
    return Entry(name, "left_out", shape, piece.sources, reason=f"the model has no {ours}")


def foreign(
    public: Mapping[str, HasShape], expected: Mapping[str, Shape], scheme: Importer
) -> Diagnostic:
    """Return the diagnosis of a checkpoint of which nothing belongs to the model."""
    message = f"none of the checkpoint's {len(public)} tensors belongs to this model"
    there = next(iter(public), "nothing")
    here = next(iter(expected))
    help_text = (
        f"the checkpoint begins with `{there}`, read as {scheme.name}'s; the model with `{here}`"
    )
    return Diagnostic("foreign-checkpoint", message, help=help_text + _others(public, scheme))


def _others(public: Mapping[str, HasShape], scheme: Importer) -> str:
    """Say whose keys they are where another code base was named."""
    try:
        found = recognise(public)
    except SpecError:
        return ""
    return "" if found == scheme.name else f"; its keys are {found}'s"


def other_classes(piece: Piece, shape: Shape, class_layers: Mapping[str, int]) -> int | None:
    """Return the axis in which alone a classifier's tensor differs from the model's, if it does."""
    axis = class_layers.get(piece.key.rpartition(".")[0])
    there, here = piece.array.shape, tuple(shape)
    if axis is None or axis >= min(len(there), len(here)) or there[axis] == here[axis]:
        return None
    one = (*here[:axis], 1, *here[axis + 1 :])
    return None if reshaped(piece.array.take([0], axis), one) is None else axis
