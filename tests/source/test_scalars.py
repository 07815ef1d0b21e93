import math

import pytest

from stspec.source.scalars import NumberRangeError, forbidden_character, parse_plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("OFF", "OFF"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("", None),
        ("~", None),
        ("Null", None),
        ("nULL", "nULL"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("+3", 3),
        ("-0", 0),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("1e-3", 0.001),
        ("1E5", 1e5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1/8", "1/8"),
        ("-", "-"),
        (".", "."),
        ("1.2.3", "1.2.3"),
        ("0b11", "0b11"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("inf", "inf"),
        ("nan", "nan"),
        ("١٢", "١٢"),
    ],
)
def test_core_schema(text: str, value: object) -> None:
    found = parse_plain(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number() -> None:
    found = parse_plain(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize("text", ["9" * 5000, "1e999", str(2**64), "-" + "9" * 19, "0x" + "f" * 17])
def test_numbers_beyond_64_bits(text: str) -> None:
    with pytest.raises(NumberRangeError):
        parse_plain(text)


def test_many_zeros_are_no_large_number() -> None:
    assert parse_plain("0" * 6000 + "7") == 7


@pytest.mark.parametrize(
    ("text", "found"),
    [("a\nb\t", None), ("é日", None), ("\x1b[0m", "U+001B"), ("\ud800", "U+D800")],
)
def test_forbidden_characters(text: str, found: str | None) -> None:
    assert forbidden_character(text) == found
