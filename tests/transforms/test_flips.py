"""What a mirror does to labels, told by the names of real data sets."""

from __future__ import annotations

from stspec.data.flips import flips
from stspec.data.motions import CLASSES

SOMETHING = (
    "Pushing something from left to right",
    "Dropping something onto something",
    "Pushing something from right to left",
    "Turning the camera left while filming something",
    "Lifting something up",
)
JESTER = (
    "Swiping Left",
    "Swiping Right",
    "Turning Hand Clockwise",
    "Turning Hand Counterclockwise",
    "Thumb Up",
)


def test_sides_are_exchanged_for_something_something() -> None:
    found = flips(SOMETHING, "auto")
    assert found.partners == (2, 1, 0, None, 4)
    assert "Turning the camera left" in found.why
    assert found.labels((0,)) == (2,)
    assert found.labels((3,)) is None
    assert found.labels((0, 1)) == (2, 1)
    assert found.labels((1, 3)) is None


def test_jester_is_never_mirrored() -> None:
    found = flips(JESTER, "auto")
    assert found.partners == (None,) * 5
    assert "Turning Hand Clockwise" in found.why


def test_the_built_in_motions_are_never_mirrored() -> None:
    assert set(flips(CLASSES, "auto").partners) == {None}


def test_classes_without_sides_are_mirrored() -> None:
    names = ("archery", "eating leftovers", "bright lights", "copyright law")
    assert flips(names, "auto").partners == (0, 1, 2, 3)


def test_numbers_tell_nothing() -> None:
    assert flips(("0", "1", "2"), "auto").partners == (None,) * 3


def test_what_is_asked_for_is_done() -> None:
    assert flips(JESTER, True).partners == (0, 1, 2, 3, 4)
    assert flips(("archery",), False).partners == (None,)


def test_case_and_spaces_do_not_matter() -> None:
    assert flips(("Turn  LEFT", "turn right"), "auto").partners == (1, 0)
