"""Frames repeated, as where few of them stand for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from stspec.ops.base import Op, Shape, Site, trunk


class FrameRepeat(Op):
    """Every frame several times in a row: (N, C, T, H, W) becomes (N, C, times * T, H, W)."""

    kind: ClassVar[str] = "frame_repeat"

    times: int = Field(default=2, ge=1, le=64, description="how often each frame stands")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape with more frames."""
        c, t, h, w = trunk(inputs[0], self.kind)
        return Shape(c, self.times * t, h, w)

    def function(self, site: Site) -> str:
        """Return the repetition along the axis that holds the frames."""
        return f"{{0}}.repeat_interleave({self.times}, {0 if site.layout == 'frames' else 2})"
