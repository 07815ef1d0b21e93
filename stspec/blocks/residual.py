"""Residual blocks of ResNet (He et al., CVPR 2016), with torchvision's names."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stspec.blocks.base import BLOCK_INPUT, BLOCK_OUTPUT, RESIDUAL_END, RESIDUAL_START, Block
from stspec.graph import Ref, Scope
from stspec.ops.join import Add


class Basic(Block):
    """Two 3x3 convolutions beside a shortcut."""

    kind: ClassVar[str] = "basic"
    roles: ClassVar[tuple[tuple[str, str], ...]] = BLOCK_INPUT

    width: int = Field(ge=1, description="channels of both convolutions")
    stride: int = Field(default=1, ge=1, description="spatial stride of the first convolution")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write conv1, conv2 and the shortcut."""
        shortcut = project(scope, x, self.width, self.stride)
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


class Bottleneck(Block):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; the 3x3 carries the stride."""

    kind: ClassVar[str] = "bottleneck"
    roles: ClassVar[tuple[tuple[str, str], ...]] = BLOCK_INPUT

    width: int = Field(ge=1, description="channels of the first two convolutions")
    stride: int = Field(default=1, ge=1, description="spatial stride of the 3x3 convolution")
    expansion: int = Field(default=4, ge=1, description="output channels per channel of width")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write conv1, conv2, conv3 and the shortcut."""
        out = self.width * self.expansion
        shortcut = project(scope, x, out, self.stride)
        y = scope.unit(
            "conv1", x, width=self.width, kernel=1, norm="bn1", act="relu1", roles=RESIDUAL_START
        )
        y = scope.unit(
            "conv2", y, width=self.width, kernel=3, stride=self.stride, norm="bn2", act="relu2"
        )
        y = scope.unit("conv3", y, width=out, kernel=1, norm="bn3")
        return close(scope, y, shortcut)


def project(scope: Scope, x: Ref, width: int, stride: int) -> Ref:
    """Return the shortcut: the input itself where shapes agree, else a strided 1x1 convolution."""
    if stride == 1 and x.channels == width:
        return x
    scope.kind = f"downsample_{scope.kind}"

    def build(sub: Scope, y: Ref) -> Ref:
        return sub.unit("0", y, width=width, kernel=1, stride=stride, norm="1", slot="downsample")

    return scope.sub("downsample", "sequential", x, build, value="shortcut")


def close(scope: Scope, residual: Ref, shortcut: Ref) -> Ref:
    """Add the shortcut and activate."""
    scope.role(residual, *RESIDUAL_END)
    y = scope.add("add", Add(), residual, shortcut)
    return scope.add("relu", scope.defaults.activation(), y, roles=BLOCK_OUTPUT)
