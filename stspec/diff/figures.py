"""Numbers as people read them, the same in every rendering."""

from __future__ import annotations

from stspec.diff.costs import Quantity

MIB = 2**20
_DASH = "\N{EN DASH}"


def count_text(value: int) -> str:
    """Return a count: 13,824 or 23.91 M."""
    return f"{value:,}" if value < 1_000_000 else f"{value / 1e6:,.2f} M"


def value_text(quantity: Quantity, value: int | None) -> str:
    """Return one side of a quantity with its unit."""
    if value is None:
        return "all T" if quantity.unit == "frames" else "all H, W"
    if quantity.unit == "count":
        return count_text(value)
    if quantity.unit == "macs":
        return f"{value / 1e9:,.2f} G" if value >= 10_000_000 else f"{value / 1e9:.4f} G"
    if quantity.unit == "bytes":
        return f"{value / MIB:,.1f} MiB"
    noun = quantity.unit if value != 1 else quantity.unit[:-1]
    return f"{value} {noun}"


def change_text(quantity: Quantity) -> tuple[str, str]:
    """Return the difference and the ratio in per cent, both with sign; dashes where none."""
    a, b = quantity.a, quantity.b
    if a == b:
        return _DASH, ""
    if a is None or b is None:
        return "", ""
    difference = value_text(quantity, abs(b - a))
    sign = "+" if b > a else "-"
    if quantity.unit in ("frames", "pixels"):
        return f"{sign}{abs(b - a)}", ""
    return f"{sign}{difference}", f"{100 * (b - a) / a:+.1f} %" if a else ""


def sign_of(quantity: Quantity) -> str:
    """Return + where b has more, - where it has less, nothing where it is the same."""
    a, b = quantity.a, quantity.b
    if a == b:
        return " "
    if a is None or b is None:
        return "+" if b is None else "-"
    return "+" if b > a else "-"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
