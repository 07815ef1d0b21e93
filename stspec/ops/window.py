"""Fully convolutional classification: scores at every position of windows of one size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from stspec.ops.base import Arg, Layer, Layout, Op, Reach, Shape, ShapeError, Site, Window, trunk
from stspec.ops.conv import check_room


class WindowPool(Op):
    """Average over windows of time and space at every position: stride 1, no padding.

    A map gives as many windows as fit: (N, C, T - t + 1, H - h + 1, W - w + 1). An axis without a
    size is pooled whole; a side is cut to the map, where a height or width must fit.
    """

    kind: ClassVar[str] = "window_pool"
    layout: ClassVar[Layout | None] = "clip"

    frames: int | None = Field(default=None, ge=1, description="frames of a window; all")
    height: int | None = Field(default=None, ge=1, description="height of a window; the map's")
    width: int | None = Field(default=None, ge=1, description="width of a window; the map's")
    side: int | None = Field(
        default=None, ge=1, description="height and width where none are given, at most the map's"
    )

    def window_of(self, shape: Shape) -> tuple[int, int, int]:
        """Return the window's frames, height and width on a map."""
        _, t, h, w = trunk(shape, self.kind)
        rest = (h, w) if self.side is None else (min(self.side, h), min(self.side, w))
        return self.frames or t, self.height or rest[0], self.width or rest[1]

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return one value for every place where the window fits."""
        c, *sizes = trunk(inputs[0], self.kind)
        window = self.window_of(inputs[0])
        for axis, size, kernel in zip("THW", sizes, window, strict=True):
            check_room(axis, size, Reach(kernel), "window")
        t, h, w = (size - kernel + 1 for size, kernel in zip(sizes, window, strict=True))
        return Shape(c, t, h, w)

    def window(self) -> Window:
        """Return the window's extent; axes without a size are looked at whole."""
        sides = (self.height or self.side, self.width or self.side)
        return Window(
            time=Reach(self.frames or 1),
            space=Reach(max(side or 1 for side in sides)),
            global_time=self.frames is None,
            global_space=None in sides,
        )

    def layer(self, site: Site) -> Layer | None:
        """Return the pooling with the window's size."""
        return Layer(
            "WindowPool",
            (Arg("window", self.window_of(site.inputs[0]), keyword=False),),
            template="window_pool",
        )


class Positions(Op):
    """The features of every position, side by side: (N, C, T, H, W) becomes (N, C, T*H*W)."""

    kind: ClassVar[str] = "positions"
    layout: ClassVar[Layout | None] = "clip"
    keeps_memory: ClassVar[bool] = False

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return features of as many positions as the map has."""
        c, *sizes = trunk(inputs[0], self.kind)
        return Shape(c, math.prod(sizes))

    def function(self, site: Site) -> str:
        """Return the features in the order (N, T*H*W, C)."""
        return "{0}.flatten(2).transpose(1, 2)"


class PositionMean(Op):
    """Average over positions: (N, C, P) becomes (N, C)."""

    kind: ClassVar[str] = "position_mean"
    layout: ClassVar[Layout | None] = "clip"

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return channels alone."""
        shape = inputs[0]
        if shape.is_trunk or shape.frames is None:
            raise ShapeError(f"position_mean needs (N, C, P) but receives {shape}")
        return Shape(shape.channels)

    def window(self) -> Window:
        """Return a look at everything."""
        return Window(global_time=True, global_space=True)

    def function(self, site: Site) -> str:
        """Return a mean."""
        return "torch.mean({0}, 1)"


class Probabilities(Op):
    """Scores become probabilities when the model is evaluated; in training they stay scores."""

    kind: ClassVar[str] = "probabilities"

    by: Literal["softmax", "sigmoid"] = Field(
        default="softmax", description="over all classes, or class by class"
    )

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape."""
        if inputs[0].is_trunk:
            raise ShapeError(f"probabilities needs scores but receives {inputs[0]}")
        return inputs[0]

    def layer(self, site: Site) -> Layer | None:
        """Return the softmax or sigmoid of evaluation."""
        cls = "SoftmaxInEvaluation" if self.by == "softmax" else "SigmoidInEvaluation"
        return Layer(cls, template="probabilities")
