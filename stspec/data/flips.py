"""Which classes a mirror turns into which, told by their names. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

_OTHER: Final = {
    "left": "right",
    "right": "left",
    "leftward": "rightward",
    "rightward": "leftward",
    "leftwards": "rightwards",
    "rightwards": "leftwards",
}
_SIDE: Final = re.compile(rf"(?<![a-z])(?:{'|'.join(_OTHER)})(?![a-z])", re.IGNORECASE)
_TURN: Final = re.compile(r"clockwise", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Flips:
    """What a mirror does to labels."""

    partners: tuple[int | None, ...]
    """For each class what it turns into; None: clips of it are never mirrored."""
    why: str
    """In words, for people."""

    def labels(self, labels: tuple[int, ...]) -> tuple[int, ...] | None:
        """Return the mirrored clip's labels, or None where it must not be mirrored."""
        turned = [self.partners[label] for label in labels if label < len(self.partners)]
        whole = [label for label in turned if label is not None]
        return tuple(whole) if len(whole) == len(labels) else None


def flips(classes: Sequence[str], flip: Literal["auto"] | bool) -> Flips:
    """Return which classes may be mirrored, and what they turn into.

    ``True`` mirrors every class and leaves its label, ``False`` none. ``auto`` reads the names:
    where they name turning senses, as Jester's do, or are numbers, none is mirrored. Classes that
    name a side turn into those that name the other, as Something-Something's do; what lacks such a
    partner is not mirrored.
    """
    same = tuple(range(len(classes)))
    none = (None,) * len(classes)
    if flip is True:
        return Flips(same, "every clip may be mirrored, as asked for")
    if flip is False:
        return Flips(none, "no clip is mirrored, as asked for")
    if all(not re.search(r"[^\W\d_]", name) for name in classes):
        return Flips(none, "no clip is mirrored: the classes' names do not tell what a mirror does")
    if turning := next((name for name in classes if _TURN.search(name)), None):
        return Flips(none, f"no clip is mirrored: {turning!r} names a turning sense")
    return _by_side(classes)


def _by_side(classes: Sequence[str]) -> Flips:
    index = {_plain(name): i for i, name in enumerate(classes)}
    partners = tuple(index.get(_plain(_SIDE.sub(_exchange, name))) for name in classes)
    alone = [name for name, other in zip(classes, partners, strict=True) if other is None]
    paired = sum(other is not None and other != i for i, other in enumerate(partners))
    why = "clips may be mirrored"
    if paired:
        why += f", which exchanges the labels of {paired} classes that name a side"
    if alone:
        why += f"; not those of {len(alone)} classes without a counterpart, such as {alone[0]!r}"
    return Flips(partners, why)


def _exchange(match: re.Match[str]) -> str:
    return _OTHER[match[0].lower()]


def _plain(name: str) -> str:
    return " ".join(name.lower().split())
