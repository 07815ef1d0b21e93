"""Convolutions in groups of which some look along time (Luo and Yuille, GST, ICCV 2019)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from stspec.blocks.base import Block
from stspec.graph import Ref, Scope
from stspec.ops.conv import Conv3d
from stspec.ops.join import Chunk, Concat


class SpatiotemporalGroups(Block):
    """A spatial convolution for most channels and a spatio-temporal one for the others.

    It stands in the place of a convolution; 1 / alpha of the channels that come out look along
    time. Both convolutions read all channels, or each reads its half.
    """

    kind: ClassVar[str] = "spatiotemporal_groups"
    core: ClassVar[str | None] = "spatial"

    width: int = Field(ge=1, description="output channels")
    kernel: int = Field(default=3, ge=1, description="spatial kernel")
    stride: int = Field(default=1, ge=1, description="spatial stride")
    padding: int | None = Field(default=None, ge=0, description="spatial padding; kernel // 2")
    bias: bool = Field(default=False, description="whether a bias is added")
    kernel_t: int = Field(default=3, ge=1, description="temporal kernel of the second convolution")
    alpha: int = Field(default=4, ge=2, description="1 / alpha of the channels look along time")
    beta: Literal[1, 2] = Field(default=1, description="2 where each reads half of the channels")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write both convolutions and their concatenation."""
        temporal = max(1, self.width // self.alpha)
        spatial = max(1, self.width - temporal)
        scope.fields |= {"spatial": spatial, "temporal": temporal}
        halves = [x, x]
        if self.beta == 2:
            halves = [scope.add(f"half{i}", Chunk(parts=2, index=i), x) for i in range(2)]
        shared = {
            "kernel": self.kernel,
            "stride": self.stride,
            "padding": self.padding,
            "bias": self.bias,
        }
        flat, deep = Conv3d(width=spatial, **shared), Conv3d(width=temporal, **shared)
        deep = deep.model_copy(update={"kernel_t": self.kernel_t})
        left = scope.add("spatial", flat, halves[0], slot="spatial")
        right = scope.add("temporal", deep, halves[1], slot="temporal")
        return scope.add("concat", Concat(), left, right)
