"""A convolution of space and one of time, joined in three ways (Qiu et al., P3D, ICCV 2017)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from stspec.blocks.base import Block
from stspec.graph import Ref, Scope
from stspec.ops.join import Add


class SeparableConv(Block):
    """Spatial and temporal convolution, each with norm and activation: in series, or summed.

    In series the temporal one reads the spatial one (P3D-A); in parallel both read the input and
    are summed (P3D-B); with a skip the temporal one reads the spatial one and is added to it
    (P3D-C).
    """

    kind: ClassVar[str] = "separable_conv"
    core: ClassVar[str | None] = "conv"
    core_norm: ClassVar[str | None] = "bn"

    width: int = Field(ge=1, description="output channels of both")
    kernel: int = Field(default=3, ge=1, description="spatial kernel")
    stride: int = Field(default=1, ge=1, description="spatial stride")
    kernel_t: int = Field(default=3, ge=1, description="temporal kernel")
    stride_t: int = Field(default=1, ge=1, description="temporal stride")
    bias: bool = Field(default=False, description="biases of both")
    join: Literal["series", "parallel", "skip"] = Field(
        default="series", description="how the temporal convolution stands to the spatial one"
    )

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write both units and, unless they stand in series, their sum."""
        if self.join != "series":
            scope.kind = f"{self.join}_{self.kind}"
        in_series = self.join == "series"
        spatial = scope.unit(
            "conv",
            x,
            width=self.width,
            kernel=self.kernel,
            stride=self.stride,
            kernel_t=1,
            stride_t=1 if in_series else self.stride_t,
            bias=self.bias,
            norm="bn",
            act="relu",
        )
        beside = self.join == "parallel"
        temporal = scope.unit(
            "conv_t",
            x if beside else spatial,
            width=self.width,
            kernel=1,
            stride=self.stride if beside else 1,
            kernel_t=self.kernel_t,
            stride_t=self.stride_t if beside or in_series else 1,
            bias=self.bias,
            norm="bn_t",
            act="relu_t",
        )
        return temporal if in_series else scope.add("add", Add(), spatial, temporal)
