"""Which model a name that there is none of means: its words tell, in whatever order they stand."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from stspec.diagnostics import distance

_LETTERS = re.compile(r"[^a-z0-9+]+")
_BEHIND = 0.3
"""Distance of two words of which one ends the other, such as 50 and resnet50; in front, a third."""
_SAME = (
    (re.compile(r"^r(?=\d+$)"), "resnet"),
    (re.compile(r"^(nl|nonlocal)$"), "nln"),
    (re.compile(r"^slowonly$"), "slow"),
)
"""How words of other code bases are written here."""
_MORE = 0.4
"""What a word that was not asked for weighs against one that was."""


def plain(text: str) -> str:
    """Return a name as it is compared: ``R(2+1)D`` and ``r(2+1)d`` are one, and so on."""
    return _LETTERS.sub("", text.lower())


def meant(name: str, models: Collection[str], spoken: Mapping[str, str]) -> str | None:
    """Return the model that a name means; None where it speaks of no family, nor its words of one.

    Args:
        name: what was written.
        models: the names that there are.
        spoken: what families are called, as `plain` writes it, and their names.
    """
    words = _words(name)
    found = _family(words, spoken)
    if found is None:
        return _with_all(name, words, models)
    family, wanted = found
    ends = {
        m: _words(m[len(family) :]) for m in models if m == family or m.startswith(f"{family}_")
    }
    return min(ends, key=lambda m: (_cost(wanted, ends[m]), distance(name, m)), default=None)


def _with_all(name: str, words: Sequence[str], models: Iterable[str]) -> str | None:
    """Return the model that has each word, a backbone's, say, or a part of it; of few others."""
    named = {m: _words(m) for m in models}
    fit = {
        m: has for m, has in named.items() if words and all(_contained(word, has) for word in words)
    }

    def cost(model: str) -> tuple[float, int, int, str]:
        has = fit[model]
        return sum(_far(word, has) for word in words), len(has), distance(name, model), model

    return min(fit, key=cost, default=None)


def _contained(word: str, others: Iterable[str]) -> bool:
    """Tell whether a word begins or ends another, or another one it."""
    pairs = (sorted((word, other), key=len) for other in others)
    return any(len(a) > 1 and (b.startswith(a) or b.endswith(a)) for a, b in pairs)


def _words(name: str) -> list[str]:
    words = [word for word in re.split(r"[_\s-]+", name[:64].lower()) if word]
    return [_ours(word) for word in words]


def _ours(word: str) -> str:
    for pattern, text in _SAME:
        word = pattern.sub(text, word)
    return word


def _family(words: Sequence[str], spoken: Mapping[str, str]) -> tuple[str, list[str]] | None:
    """Return the family that words speak of, first of all at their front, and the others."""
    for end in range(len(words), 0, -1):
        front = _ours(plain("".join(words[:end])))
        stem = front.rstrip("0123456789")
        for called, number in ((front, ""), (stem, front[len(stem) :])):
            if called in spoken:
                return spoken[called], [*([number] if number else []), *words[end:]]
    for at, word in enumerate(words):
        if word in spoken:
            return spoken[word], [*words[:at], *words[at + 1 :]]
    return None


def _cost(wanted: Iterable[str], has: Sequence[str]) -> float:
    wanted = list(wanted)
    return sum(_far(w, has) for w in wanted) + _MORE * sum(_far(w, wanted) for w in has)


def _far(word: str, others: Iterable[str]) -> float:
    return min((_apart(word, other) for other in others), default=1.0)


def _apart(a: str, b: str) -> float:
    """How far two words are apart, from 0 to 1."""
    short, long = sorted((a, b), key=len)
    if a == b:
        return 0.0
    if long.startswith(short) and len(short) > 2:
        return _BEHIND / 3
    return _BEHIND if long.endswith(short) else distance(a, b) / len(long)
