"""The features of all frames as a picture, T high and C wide, and convolutions of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from stspec.ops.base import Layout, Op, Reach, Shape, Site, Window, extent, trunk
from stspec.ops.conv import Conv2d
from stspec.ops.recurrent import features_of


class FeaturePlane(Op):
    """Features of frames as a picture of one channel: (N, C, T) becomes (N, 1, 1, T, C)."""

    kind: ClassVar[str] = "feature_plane"
    layout: ClassVar[Layout | None] = "clip"
    keeps_memory: ClassVar[bool] = False

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the one channel."""
        return 1

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return one frame, T high and C wide."""
        shape = features_of(inputs[0], self.kind)
        return Shape(1, 1, shape.frames, shape.channels)

    def function(self, site: Site) -> str:
        """Return a view with axes for a channel and a frame."""
        return "{0}[:, None, None]"


class PlaneConv(Conv2d):
    """Convolution of a picture of features: along frames and along features it may differ."""

    kind: ClassVar[str] = "plane_conv"

    stride_c: int = Field(default=1, ge=1, description="stride along features")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape that comes out; `stride` is along frames."""
        out = super().infer(inputs)
        _, _, _, width = trunk(inputs[0], self.kind)
        along = Reach(self.spatial[1].kernel, self.stride_c, self.spatial[1].padding)
        return Shape(out.channels, out.frames, out.height, extent(width, along))

    def strides(self) -> tuple[int, ...]:
        """Return the strides in the order of the kernel's axes."""
        return (self.stride, self.stride_c)

    def window(self) -> Window:
        """Return a look at the whole clip: rows of the picture are frames."""
        return Window(global_time=True)
