"""Residual blocks: ResNet (He et al., CVPR 2016), and with norms in front (He et al., ECCV 2016).

Names are torchvision's.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from stspec.blocks.base import BLOCK_INPUT, BLOCK_OUTPUT, RESIDUAL_END, RESIDUAL_START, Block
from stspec.blocks.dense import activated
from stspec.graph import Ref, Scope
from stspec.ops.conv import Groups
from stspec.ops.join import Add, PadChannels
from stspec.ops.pool import AvgPool2d, MaxPool2d

Shortcut = Literal["projection", "pooled_projection", "zero_padded"]
StrideOn = Literal["conv1", "conv2"]


def stride_on() -> Any:
    """Return the field of blocks that says which of their convolutions strides."""
    words = "convolution that strides: 1x1 as in Caffe, or 3x3"
    return Field(default="conv2", description=words)


def strides(stride: int, on: StrideOn) -> tuple[int, int]:
    """Return the strides of conv1 and conv2."""
    return (stride, 1) if on == "conv1" else (1, stride)


class Residual(Block):
    """Base of residual blocks: what all say of their shortcut."""

    roles: ClassVar[tuple[tuple[str, str], ...]] = BLOCK_INPUT

    width: int = Field(ge=1, description="channels of the convolutions")
    stride: int = Field(default=1, ge=1, description="spatial stride")
    shortcut: Shortcut = Field(
        default="projection", description="where shapes differ: 1x1, behind a pool, or zeros"
    )
    shortcut_pool: int | None = Field(
        default=None, ge=1, description="kernel of the pool of pooled_projection; the stride"
    )

    def short(self, scope: Scope, x: Ref, width: int, norm: bool = True, size: int = 1) -> Ref:
        """Write the shortcut: the input itself where shapes agree.

        Args:
            scope: the block's scope.
            x: what the shortcut reads.
            width: channels that the residual branch gives.
            norm: whether the projection has one.
            size: kernel of the projection.
        """
        if self.shortcut == "zero_padded" and (self.stride > 1 or x.channels != width):
            scope.kind = f"padded_{scope.kind}"
            return self._zero_padded(scope, x, width)
        kernel = (self.shortcut_pool or self.stride) if self.shortcut != "projection" else None
        return project(scope, x, width, self.stride, norm=norm, pool=kernel, kernel=size)

    def _zero_padded(self, scope: Scope, x: Ref, width: int) -> Ref:
        y = x
        if self.stride > 1:
            # A window of one pixel: the positions that the strided convolutions stand at.
            pool = MaxPool2d(kernel=1, stride=self.stride)
            y = scope.add("subsample", pool, y, slot="downsample_pool", value="shortcut")
        if y.channels == width:
            return y
        return scope.add("pad", PadChannels(width=width), y, value="shortcut")


def project(
    scope: Scope,
    x: Ref,
    width: int,
    stride: int,
    *,
    norm: bool = True,
    pool: int | None = None,
    kernel: int = 1,
) -> Ref:
    """Return the shortcut: the input itself where shapes agree, else a strided convolution.

    Args:
        scope: the block's scope.
        x: what the shortcut reads.
        width: channels that the residual branch gives.
        stride: spatial stride of the residual branch.
        norm: whether the projection has one.
        pool: kernel of an average pool that strides in the convolution's stead.
        kernel: the convolution's kernel.
    """
    if stride == 1 and x.channels == width:
        return x
    scope.kind = f"downsample_{scope.kind}"

    def build(sub: Scope, y: Ref) -> Ref:
        conv: dict[str, Any] = {"width": width, "kernel": kernel, "slot": "downsample"}
        if pool is None or stride == 1:
            return sub.unit("0", y, stride=stride, norm="1" if norm else None, **conv)
        # Either way the pool gives as many positions as a strided convolution.
        pad, ceil = (pool // 2, False) if pool % 2 else (0, True)
        op = AvgPool2d(kernel=pool, stride=stride, padding=pad, ceil_mode=ceil)
        y = sub.add("0", op, y, slot="downsample_pool")
        return sub.unit("1", y, norm="2" if norm else None, **conv)

    return scope.sub("downsample", "sequential", x, build, value="shortcut")


class Basic(Residual):
    """Two 3x3 convolutions beside a shortcut."""

    kind: ClassVar[str] = "basic"

    width: int = Field(ge=1, description="channels of both convolutions")
    stride: int = Field(default=1, ge=1, description="spatial stride of the first convolution")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write conv1, conv2 and the shortcut."""
        shortcut = self.short(scope, x, self.width)
        y = scope.unit(
            "conv1",
            x,
            width=self.width,
            kernel=3,
            stride=self.stride,
            norm="bn1",
            act="relu1",
            roles=RESIDUAL_START,
        )
        y = scope.unit("conv2", y, width=self.width, kernel=3, norm="bn2")
        return close(scope, y, shortcut)


class BottleneckFields(Residual):
    """What bottlenecks say beyond their shortcut."""

    width: int = Field(ge=1, description="channels, of which those that come out are multiples")
    stride: int = Field(default=1, ge=1, description="spatial stride")
    stride_on: StrideOn = stride_on()
    expansion: int = Field(default=4, ge=1, description="output channels per channel of width")
    base_width: int = Field(
        default=64, ge=1, description="channels of the first two convolutions per 64 of width"
    )
    groups: Groups = Field(default=1, description="channel groups of the 3x3, or depthwise")

    def channels(self, scope: Scope) -> tuple[int, int]:
        """Return the channels that come out, and those of the first two convolutions."""
        inner = max(1, self.width * self.base_width // 64)
        scope.fields |= {"inner": inner}
        return self.width * self.expansion, inner

    def strides(self) -> tuple[int, int]:
        """Return the strides of conv1 and conv2."""
        return strides(self.stride, self.stride_on)


class Bottleneck(BottleneckFields):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; the 3x3 carries the stride."""

    kind: ClassVar[str] = "bottleneck"

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write conv1, conv2, conv3 and the shortcut."""
        out, inner = self.channels(scope)
        first, second = self.strides()
        shortcut = self.short(scope, x, out)
        y = scope.unit(
            "conv1",
            x,
            width=inner,
            kernel=1,
            stride=first,
            norm="bn1",
            act="relu1",
            roles=RESIDUAL_START,
        )
        y = scope.unit(
            "conv2",
            y,
            width=inner,
            kernel=3,
            stride=second,
            groups=self.groups,
            norm="bn2",
            act="relu2",
        )
        y = scope.unit("conv3", y, width=out, kernel=1, norm="bn3")
        return close(scope, y, shortcut)


def close(scope: Scope, residual: Ref, shortcut: Ref) -> Ref:
    """Add the shortcut and activate."""
    scope.role(residual, *RESIDUAL_END)
    y = scope.add("add", Add(), residual, shortcut)
    return scope.add("relu", scope.defaults.activation(), y, roles=BLOCK_OUTPUT)


class PreActivation(Residual):
    """What blocks say whose norms and activations stand in front of convolutions."""

    shortcut_reads: Literal["input", "activated"] = Field(
        default="activated", description="what a projection reads: as it arrives, or activated"
    )
    shortcut_norm: bool = Field(default=False, description="norm behind a projection")
    shortcut_kernel: int = Field(default=1, ge=1, description="spatial kernel of a projection")

    def before(self, scope: Scope, x: Ref, number: int) -> Ref:
        """Write the norm and the activation in front of a convolution."""
        return activated(scope, x, f"bn{number}", f"relu{number}")

    def open(self, scope: Scope, x: Ref, width: int) -> tuple[Ref, Ref]:
        """Write the first norm and activation and the shortcut; return branch and shortcut."""
        y = self.before(scope, x, 1)
        read = y if self.shortcut_reads == "activated" else x
        # An identity always is the input itself.
        same = self.stride == 1 and x.channels == width
        return y, x if same else self.short(
            scope, read, width, self.shortcut_norm, self.shortcut_kernel
        )

    def conv(self, scope: Scope, x: Ref, number: int, **conv: Any) -> Ref:
        """Write a convolution, which is a unit by itself."""
        roles = RESIDUAL_START if number == 1 else ()
        return scope.unit(f"conv{number}", x, norm=None, roles=roles, **conv)

    def finish(self, scope: Scope, residual: Ref, shortcut: Ref) -> Ref:
        """Add the shortcut."""
        scope.role(residual, *RESIDUAL_END)
        return scope.add("add", Add(), residual, shortcut, roles=BLOCK_OUTPUT)


class PreActivationBasic(PreActivation):
    """Two 3x3 convolutions beside a shortcut, each behind a norm and an activation."""

    kind: ClassVar[str] = "preactivation_basic"

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write bn1, relu1, conv1, bn2, relu2, conv2 and the shortcut."""
        y, shortcut = self.open(scope, x, self.width)
        y = self.conv(scope, y, 1, width=self.width, kernel=3, stride=self.stride)
        y = self.before(scope, y, 2)
        y = self.conv(scope, y, 2, width=self.width, kernel=3)
        return self.finish(scope, y, shortcut)


class PreActivationBottleneck(PreActivation, BottleneckFields):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut, each behind a norm and an activation."""

    kind: ClassVar[str] = "preactivation_bottleneck"

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write three convolutions, each behind norm and activation, and the shortcut."""
        out, inner = self.channels(scope)
        first, second = self.strides()
        y, shortcut = self.open(scope, x, out)
        y = self.conv(scope, y, 1, width=inner, kernel=1, stride=first)
        y = self.before(scope, y, 2)
        y = self.conv(scope, y, 2, width=inner, kernel=3, stride=second, groups=self.groups)
        y = self.before(scope, y, 3)
        y = self.conv(scope, y, 3, width=out, kernel=1)
        return self.finish(scope, y, shortcut)
