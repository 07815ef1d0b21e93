"""A convolution as one over channels and one over positions (Tran et al., ICCV 2019)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stspec.blocks.base import Block
from stspec.graph import Ref, Scope


class ChannelSeparated(Block):
    """1x1 convolution over channels, norm, then a depth-wise one over positions."""

    kind: ClassVar[str] = "channel_separated"

    width: int = Field(ge=1, description="output channels")
    kernel: int = Field(default=3, ge=1, description="spatial kernel")
    stride: int = Field(default=1, ge=1, description="spatial stride")
    padding: int | None = Field(default=None, ge=0, description="spatial padding; kernel // 2")
    activation: bool = Field(default=False, description="activation behind the norm")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the convolution over channels, its norm, and that over positions."""
        act = "relu" if self.activation else None
        y = scope.unit("pointwise", x, width=self.width, kernel=1, norm="bn", act=act)
        return scope.unit(
            "depthwise",
            y,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            groups="depthwise",
            norm=None,
        )
