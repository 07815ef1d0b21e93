"""What a plain scalar means: the core schema of YAML 1.2 (`yes` is text, `010` is ten)."""

from __future__ import annotations

import math
import re

from stspec.source.nodes import Atom

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o([0-7]+)|0x([0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NAN = frozenset({".nan", ".NaN", ".NAN"})
# Nothing here needs more than 64 bits, and Python refuses to read integers of 5,000 digits.
_MOST_DIGITS = 22  # as 2**64 has in octal


class NumberRangeError(ValueError):
    """The text is a number, but not one that a computer would hold in 64 bits."""


def parse_plain(text: str) -> Atom:
    """The value of an unquoted scalar.

    Raises:
        NumberRangeError: an integer beyond 64 bits, or a float beyond a double.
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INT.fullmatch(text):
        return _integer(text, 10)
    if based := _BASED.fullmatch(text):
        octal, sixteen = based.groups()
        return _integer(octal, 8) if octal else _integer(sixteen, 16)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise NumberRangeError(text)
        return number
    if _INFINITE.fullmatch(text):
        return -math.inf if text[0] == "-" else math.inf
    return math.nan if text in _NAN else text


def is_integer(text: str) -> bool:
    """Whether an unquoted scalar is a decimal integer."""
    return _INT.fullmatch(text) is not None


def forbidden_character(text: str) -> str | None:
    """The first control character or lone surrogate of a text, as `U+001B`, or None.

    Only escapes in quotes can bring one in; it would end up in terminals and generated source.
    """
    if text.isprintable():
        return None
    for character in text:
        code = ord(character)
        control = (code < 0x20 and character not in "\n\t") or 0x7F <= code < 0xA0
        if control or 0xD800 <= code < 0xE000:
            return f"U+{code:04X}"
    return None


def _integer(digits: str, base: int) -> int:
    sign, digits = (-1 if digits[0] == "-" else 1), digits.lstrip("+-").lstrip("0")
    if len(digits) > _MOST_DIGITS:
        raise NumberRangeError(digits)
    number = sign * int(digits or "0", base)
    if not -(2**63) <= number < 2**64:
        raise NumberRangeError(digits)
    return number
