"""How a video is looked at when it is tested: clips in time, crops in space."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from stspec.diagnostics import Diagnostic, SpecError

_FORM = re.compile(r"([1-9]\d{0,3})\s*x\s*([1-9]\d?)")


@dataclass(frozen=True, slots=True)
class Views:
    """So many clips of so many crops each; view number ``clip * crops + crop``.

    One clip is the study's clip level; its video level takes the mean of 10.
    Paper: Chen et al., Deep Analysis of CNN-based Spatio-temporal Representations for Action
    Recognition, CVPR 2021.
    """

    clips: int = 1
    crops: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read CLIPSxCROPS, such as 10x3.

        Raises:
            SpecError: if it has another form.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None:
            message = f"`{text}` is no number of views"
            help = "write clips x crops, such as 1x1, 10x1 or 10x3"
            raise SpecError(Diagnostic("bad-views", message, help=help))
        return cls(int(found[1]), int(found[2]))

    @property
    def count(self) -> int:
        """Return the number of views of a video."""
        return self.clips * self.crops

    @property
    def level(self) -> str:
        """Return what the study calls it: clip or video level."""
        return "clip" if self.clips == 1 else "video"

    def __str__(self) -> str:
        return f"{self.clips}x{self.crops}"
