"""The lateral connection of SlowFast (Feichtenhofer et al., ICCV 2019)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from stspec.blocks.base import Block
from stspec.graph import Ref, Scope
from stspec.ops.conv import Conv3d


class TemporalLateral(Block):
    """A convolution over time that brings a fast pathway's features to a slow one's frames."""

    kind: ClassVar[str] = "temporal_lateral"
    channel_fields: ClassVar[tuple[str, ...]] = ()

    ratio: int = Field(default=2, ge=1, le=64, description="output channels per channel")
    kernel_t: int = Field(default=5, ge=1, description="temporal kernel")
    stride_t: int | Literal["rate"] = Field(
        default="rate", description="temporal stride; the ratio of the pathways' frame rates"
    )
    norm: bool = Field(default=True, description="with norm and activation behind it")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the convolution, its norm and its activation."""
        conv = Conv3d(
            width=self.ratio * x.channels,
            kernel_t=self.kernel_t,
            stride_t=1 if self.stride_t == "rate" else self.stride_t,
        )
        y = scope.add("conv", conv, x, slot="conv", unit="conv")
        if not self.norm or scope.defaults.norm is None:
            return y
        y = scope.add("bn", scope.defaults.norm, y, unit="conv")
        return scope.add("relu", scope.defaults.activation(), y, unit="conv")
