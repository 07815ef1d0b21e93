"""Windows that slide over a long video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stspec.diagnostics import Diagnostic, SpecError

_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(s?)")
USUAL_RATE = 25.0
"""Frames a second of a video that does not tell."""


@dataclass(frozen=True, slots=True)
class Length:
    """A stretch of video, in frames or in seconds."""

    value: float
    seconds: bool = False

    @classmethod
    def parse(cls, text: str, name: str) -> Length:
        """Read ``64`` (frames) or ``2.5s``; `name` is the option's, for messages.

        Raises:
            SpecError: if it is neither, or nothing is left of it.
        """
        found = _LENGTH.fullmatch(text.strip())
        value = float(found[1]) if found else 0.0
        seconds = bool(found and found[2])
        if not value or not (seconds or value.is_integer()):
            message = f"{name} cannot be `{text}`"
            help = "write frames, such as 64, or seconds, such as 2.5s"
            raise SpecError(Diagnostic("bad-length", message, help=help))
        return cls(value, seconds)

    def frames(self, rate: float | None) -> int:
        """Return how many frames that is, at least one."""
        exact = self.value * (rate or USUAL_RATE) if self.seconds else self.value
        return max(1, round(exact))

    def __str__(self) -> str:
        return f"{self.value:g}{'s' if self.seconds else ''}"


@dataclass(frozen=True, slots=True)
class Window:
    """Frames ``first`` to ``last`` (itself included) of a video."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """Return how many frames it has."""
        return self.last - self.first + 1

    def times(self, rate: float | None) -> tuple[float, float] | None:
        """Return start and end in seconds, where the rate is known."""
        return (self.first / rate, (self.last + 1) / rate) if rate else None


def windows(count: int, length: int, every: int) -> Iterator[Window]:
    """Yield the windows of a video; together they hold every frame where ``every <= length``.

    They start at 0, ``every``, 2 ``every`` and so on; the last one is moved forward to end with
    the video. A video that is shorter than a window is one window.

    Args:
        count: frames of the video, at least 1.
        length: frames of a window.
        every: frames from one window's start to the next one's.
    """
    length = min(length, count)
    starts = range(0, count - length + 1, every)
    for start in starts:
        yield Window(start, start + length - 1)
    if starts[-1] + length < count:
        yield Window(count - length, count - 1)
