"""Frames by number, wherever they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from torch import Tensor


class DecodeError(Exception):
    """A video cannot be read: the file, and the reason in one line."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[DecodeError], tuple[str, str]]:
        # Workers send it to the main process.
        return type(self), (self.path, self.reason)


class Video(Protocol):
    """An opened video. Frames are numbered from 0 in the order in which they are shown."""

    @property
    def count(self) -> int:
        """Return the number of frames that can be read."""

    @property
    def rate(self) -> float | None:
        """Return frames a second, where known."""

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return frames as uint8 (len(indices), H, W, channels), in the order asked for.

        Indices may repeat and need not be sorted.

        Raises:
            DecodeError: if a frame cannot be read, or an index is out of range.
        """

    def close(self) -> None:
        """Let go of the file."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Closing(ABC):
    """What lets go of its file at the end of a ``with``."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
