"""Non-local block (Wang et al., CVPR 2018)."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

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
from stspec.ops.pool import MaxPool2d, MaxPool3d

Mode = Literal["embedded_gaussian", "gaussian", "dot_product", "concatenation"]


class NonLocal(Block):
    """Attention of every position to all positions of the clip, added to its input."""

    kind: ClassVar[str] = "non_local"

    mode: Mode = Field(default="embedded_gaussian", description="how two positions are compared")
    reduction: int = Field(default=2, ge=1, description="input channels per inner channel")
    sub_sample: bool = Field(default=True, description="max-pool keys and values")
    sub_sample_kernel: int = Field(default=2, ge=1, description="in space, side and stride")
    sub_sample_kernel_t: int = Field(default=1, ge=1, description="in time, frames and stride")
    sub_sample_input: bool = Field(
        default=False, description="pool what keys and values are projected from, not them"
    )
    groups: int = Field(default=1, ge=1, description="runs of frames, each attended by itself")
    scale: bool = Field(default=False, description="divide products by the root of inner channels")
    out_bias: bool = Field(default=False, description="bias of the convolution before the norm")
    norm: bool = Field(default=True, description="batch norm, from zero, behind the convolution")

    @model_validator(mode="after")
    def _windows_within_groups(self) -> Self:
        if self.groups > 1 and self.sub_sample and self.sub_sample_kernel_t > 1:
            raise ValueError("windows over time would reach from one group into the next")
        return self

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write theta, phi, g, the attention and the output convolution."""
        inner = max(1, x.channels // self.reduction)
        scope.fields["inner"] = inner
        theta, phi, g = self._projections(scope, x, inner)
        attention = self._attention(theta.channels)
        y = scope.add("attention", attention, theta, phi, g, value="y")
        y = scope.add("out", Conv2d(width=x.channels, bias=self.out_bias), y, value="y")
        if self.norm:
            y = scope.add("bn", BatchNorm(zero=True), y, value="y")
        return scope.add("add", Add(), x, y)

    def _projections(self, scope: Scope, x: Ref, inner: int) -> tuple[Ref, Ref, Ref]:
        """Write what is compared, with what, and what is gathered; the last two sub-sampled."""
        conv, pool, source = Conv2d(width=inner, bias=True), self._pool(), x
        theta = x if self.mode == "gaussian" else scope.add("theta", conv, x, value="theta")
        if self.sub_sample and self.sub_sample_input:
            source = scope.add("pool", pool, x, value="source")
        phi = source if self.mode == "gaussian" else scope.add("phi", conv, source, value="phi")
        g = scope.add("g", conv, source, value="g")
        if self.sub_sample and source is x:
            phi = scope.add("pool_phi", pool, phi, value="phi")
            g = scope.add("pool_g", pool, g, value="g")
        return theta, phi, g

    def _pool(self) -> MaxPool2d | MaxPool3d:
        k, t = self.sub_sample_kernel, self.sub_sample_kernel_t
        if t == 1:
            return MaxPool2d(kernel=k, stride=k)
        return MaxPool3d(kernel=k, stride=k, kernel_t=t, stride_t=t)

    def _attention(self, channels: int) -> Attention:
        if self.mode == "dot_product":
            return DotProductAttention(groups=self.groups)
        if self.mode == "concatenation":
            return ConcatenationAttention(groups=self.groups)
        scaled = self.scale and self.mode == "embedded_gaussian"
        scale = channels**-0.5 if scaled else 1.0
        return SoftmaxAttention(groups=self.groups, scale=scale)
