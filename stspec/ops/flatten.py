"""Maps laid out as features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from stspec.ops.base import Op, Shape, Site, Window, trunk


class Flatten(Op):
    """Each frame's map as features, (N, C * H * W, T), or the clip's, (N, C * T * H * W).

    What follows depends on the clip's size. The number of features is not known before the shape
    is, so what reads them, such as `linear`, says how many it gives.
    """

    kind: ClassVar[str] = "flatten"
    keeps_memory: ClassVar[bool] = False

    time: bool = Field(default=False, description="frames too, in the order C, T, H, W")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the features of each frame, or of the clip."""
        c, t, h, w = trunk(inputs[0], self.kind)
        return Shape(c * t * h * w) if self.time else Shape(c * h * w, t)

    def window(self) -> Window:
        """Return a look at the whole map."""
        return Window(global_time=self.time, global_space=True)

    def function(self, site: Site) -> str:
        """Return a view; features of clips are put in the order (N, T, C)."""
        if self.time:
            if site.layout == "clip":
                return "{0}.flatten(1)"
            return "torch.unflatten({0}, 0, (-1, {frames})).transpose(1, 2).flatten(1)"
        return "{0}.flatten(1)" if site.layout == "frames" else "{0}.transpose(1, 2).flatten(2)"
