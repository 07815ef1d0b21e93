"""Blocks of DenseNet (Huang et al., CVPR 2017), with torchvision's names."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stspec.blocks.base import BLOCK_INPUT, BLOCK_OUTPUT, RESIDUAL_START, Block
from stspec.graph import Ref, Scope
from stspec.ops.join import Concat
from stspec.ops.linear import Dropout
from stspec.ops.pool import AvgPool2d


class DenseLayer(Block):
    """1x1 and 3x3 convolutions, norms first, whose result joins the channels that arrive."""

    kind: ClassVar[str] = "dense_layer"
    roles: ClassVar[tuple[tuple[str, str], ...]] = BLOCK_INPUT

    growth: int = Field(default=32, ge=1, description="channels that are added")
    expansion: int = Field(default=4, ge=1, description="inner channels per channel of growth")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="behind the last convolution")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write norm1, relu1, conv1, norm2, relu2, conv2 and the concatenation."""
        y = activated(scope, x, "norm1", "relu1")
        inner = self.growth * self.expansion
        y = scope.unit("conv1", y, width=inner, kernel=1, norm=None, roles=RESIDUAL_START)
        y = activated(scope, y, "norm2", "relu2")
        y = scope.unit("conv2", y, width=self.growth, kernel=3, norm=None)
        if self.dropout:
            y = scope.add("dropout", Dropout(p=self.dropout), y)
        return scope.add("concat", Concat(), x, y, roles=BLOCK_OUTPUT)


class Transition(Block):
    """Norm, activation, a 1x1 convolution to half of the channels, and an average pool."""

    kind: ClassVar[str] = "transition"

    width: int | None = Field(default=None, ge=1, description="output channels; half of the input")
    stride: int = Field(default=2, ge=1, description="kernel and stride of the pool")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write norm, relu, conv and pool."""
        y = activated(scope, x, "norm", "relu")
        width = self.width or max(1, x.channels // 2)
        y = scope.unit("conv", y, width=width, kernel=1, norm=None)
        return scope.add("pool", AvgPool2d(kernel=self.stride, stride=self.stride), y)


def activated(scope: Scope, x: Ref, norm: str, act: str) -> Ref:
    """Write a norm and an activation in front of a convolution."""
    if scope.defaults.norm is not None:
        x = scope.add(norm, scope.defaults.norm, x)
    return scope.add(act, scope.defaults.activation(), x)
