"""Non-local block (Wang et al., CVPR 2018)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from stspec.blocks.base import Block
from stspec.graph import Ref, Scope
from stspec.ops.attention import (
    Attention,
    ConcatenationAttention,
    DotProductAttention,
    SoftmaxAttention,
)
from stspec.ops.conv import Conv2d
from stspec.ops.join import Add
from stspec.ops.norm import BatchNorm
from stspec.ops.pool import MaxPool2d

Mode = Literal["embedded_gaussian", "gaussian", "dot_product", "concatenation"]


class NonLocal(Block):
    """Attention of every position to all positions of the clip, added to its input."""

    kind: ClassVar[str] = "non_local"

    mode: Mode = Field(default="embedded_gaussian", description="how two positions are compared")
    reduction: int = Field(default=2, ge=1, description="input channels per inner channel")
    sub_sample: bool = Field(default=True, description="max-pool keys and values 2x2 in space")
    scale: bool = Field(default=False, description="divide products by the root of inner channels")
    out_bias: bool = Field(default=False, description="bias of the convolution before the norm")
    norm: bool = Field(default=True, description="batch norm, from zero, behind the convolution")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write theta, phi, g, the attention and the output convolution."""
        inner = max(1, x.channels // self.reduction)
        scope.fields["inner"] = inner
        if self.mode == "gaussian":
            theta, phi = x, x
        else:
            theta = scope.add("theta", Conv2d(width=inner, bias=True), x, value="theta")
            phi = scope.add("phi", Conv2d(width=inner, bias=True), x, value="phi")
        g = scope.add("g", Conv2d(width=inner, bias=True), x, value="g")
        if self.sub_sample:
            pool = MaxPool2d(kernel=2, stride=2)
            phi = scope.add("pool_phi", pool, phi, value="phi")
            g = scope.add("pool_g", pool, g, value="g")
        y = scope.add("attention", self._attention(theta.channels), theta, phi, g, value="y")
        y = scope.add("out", Conv2d(width=x.channels, bias=self.out_bias), y, value="y")
        if self.norm:
            y = scope.add("bn", BatchNorm(zero=True), y, value="y")
        return scope.add("add", Add(), x, y)

    def _attention(self, channels: int) -> Attention:
        if self.mode == "dot_product":
            return DotProductAttention()
        if self.mode == "concatenation":
            return ConcatenationAttention()
        scaled = self.scale and self.mode == "embedded_gaussian"
        return SoftmaxAttention(scale=channels**-0.5 if scaled else 1.0)
