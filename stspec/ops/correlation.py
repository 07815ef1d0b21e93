"""Correlation of every frame with the one before (Wang et al., CorrNet, CVPR 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from stspec.ops.base import (
    Arg,
    FrameAxis,
    Layer,
    Layout,
    Op,
    Param,
    Reach,
    Shape,
    ShapeError,
    Site,
    Window,
    trunk,
)


def _has_a_middle(kernel: int) -> int:
    if kernel % 2 == 0:
        raise ValueError("an even kernel has no middle: offsets go as far to each side")
    return kernel


Odd = Annotated[int, AfterValidator(_has_a_middle)]


class Correlation(Op):
    """Weighted products of a position with those around it one frame earlier, group by group.

    One channel comes out for every offset and group: the mean over a group's channels of
    weight * previous * current, where the current frame is read at the offset. The first frame is
    its own predecessor. The weight is (C, T, k, k): it belongs to clips of T frames.
    Products are element-wise and count as no multiply-accumulates.
    """

    kind: ClassVar[str] = "correlation"
    layout: ClassVar[Layout | None] = "clip"
    keeps_memory: ClassVar[bool] = False

    kernel: Odd = Field(default=7, ge=1, description="offsets along each side, an odd number")
    dilation: int = Field(default=1, ge=1, description="positions from one offset to the next")
    groups: int = Field(default=1, ge=1, description="groups of channels")

    def channels(self, inputs: Sequence[int]) -> int:
        """Return one channel for each offset and group."""
        return self.kernel**2 * self.groups

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same positions with a channel for each offset and group."""
        c, _, _, _ = trunk(inputs[0], self.kind)
        if c % self.groups:
            raise ShapeError(f"{self.groups} groups do not divide {c} channels", "groups")
        return inputs[0].with_channels(self.channels([c]))

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the weight of each channel, frame and offset."""
        c, t, _, _ = trunk(inputs[0], self.kind)
        return (Param("weight", (c, t, self.kernel, self.kernel), frames=(FrameAxis(1),)),)

    def window(self) -> Window:
        """Return the previous frame and the farthest offsets."""
        far = self.dilation * (self.kernel // 2)
        return Window(Reach(2, 1, 1), Reach(2 * far + 1, 1, far))

    def layer(self, site: Site) -> Layer | None:
        """Return the correlation."""
        return Layer(
            "Correlation",
            (
                Arg("channels", site.inputs[0].channels, keyword=False),
                Arg("frames", site.frames),
                Arg("kernel", self.kernel, 7),
                Arg("dilation", self.dilation, 1),
                Arg("groups", self.groups, 1),
            ),
            template="correlation",
        )
