import pickle

import pytest

from stspec.diagnostics import Diagnostic, Label, Span, SpecError

SPAN = Span("a.yaml", 3, 5, 3, 9)


def test_an_error_takes_diagnostics_one_by_one_or_together() -> None:
    first, second = Diagnostic("a", "x"), Diagnostic("b", "y")
    assert SpecError(first, second).diagnostics == (first, second)
    assert SpecError([first, second]).diagnostics == (first, second)
    assert SpecError(first, (second,)).diagnostics == (first, second)


def test_an_error_reads_as_its_rendering() -> None:
    error = SpecError(Diagnostic("bad-thing", "a thing is bad", help="mend it"))
    assert str(error) == "error[bad-thing]: a thing is bad\n  = help: mend it"


def test_an_error_survives_pickling() -> None:
    error = SpecError(Diagnostic("a", "x", (Label(SPAN, "here"),)))
    assert pickle.loads(pickle.dumps(error)).diagnostics == error.diagnostics


def test_the_position_is_that_of_the_first_primary_label() -> None:
    other = Span("b.yaml", 1, 1, 1, 2)
    diagnostic = Diagnostic("a", "x", (Label(other, "why", primary=False), Label(SPAN, "what")))
    assert diagnostic.position == ("a.yaml", 3, 5)
    assert Diagnostic("a", "x").position == ("", 0, 0)
    assert str(SPAN) == "a.yaml:3:5"


def test_values_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        SPAN.line = 4  # type: ignore[misc]
