"""The nearest valid name for a mistyped one."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

# More choices than this are not listed: the reader would stop reading.
MOST_LISTED = 12


def distance(a: str, b: str) -> int:
    """Edits that turn `a` into `b`: insertions, deletions, substitutions, swaps of neighbours."""
    before: list[int] = []
    above = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` was most likely meant to be, or None where none is near.

    At most a third of the longer name may differ; case and `-` against `_` cost nothing. A name
    of which one is a whole word of the other (`resnet`, `resnet50`) is near as well.
    """
    wanted = _plain(name)[:64]
    if not wanted:
        return None
    best: tuple[float, str] | None = None
    for candidate in candidates:
        plain = _plain(candidate)
        longer = max(len(wanted), len(plain))
        if abs(len(wanted) - len(plain)) * 3 <= longer:
            edits: float = distance(wanted, plain)
        else:
            edits = longer
        if edits * 3 > longer and len(wanted) >= 3 and len(plain) >= 3:
            inside = plain.startswith(wanted) or wanted.startswith(plain)
            edits = longer / 3 if inside else edits
        if edits * 3 <= longer and (best is None or edits / longer < best[0]):
            best = (edits / longer, candidate)
    return best[1] if best else None


def _look_alike(name: str, near: str) -> str:
    """Name the first letter of another script, which a reader cannot tell from a Latin one."""
    strangers = [letter for letter in name if not letter.isascii() and letter not in near]
    if not strangers or len(name) != len(near):
        return ""
    return f" (`{strangers[0]}` is {unicodedata.name(strangers[0], 'no letter').lower()})"


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Help text: the nearest name, or the choices where none is near; empty without choices."""
    choices = list(dict.fromkeys(candidates))
    near = nearest(name, choices)
    if near is not None:
        return f"did you mean `{near}`?{_look_alike(name, near)}"
    if not choices:
        return ""
    listed = ", ".join(f"`{choice}`" for choice in choices[:MOST_LISTED])
    if len(choices) > MOST_LISTED:
        listed += f" and {len(choices) - MOST_LISTED} more"
    return f"choose from {listed}" if len(choices) > 1 else f"the only choice is {listed}"
