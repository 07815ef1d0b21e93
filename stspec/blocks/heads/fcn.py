"""Heads that are fully convolutional networks over time and features, or time and space."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from stspec.blocks.heads.base import CLASSIFIER, FeatureHead, ReasoningHead, Width
from stspec.graph import Ref, Scope
from stspec.ops.activation import ReLU
from stspec.ops.conv import Conv2d, Conv3d
from stspec.ops.norm import BatchNorm
from stspec.ops.plane import FeaturePlane, PlaneConv
from stspec.ops.pool import GlobalPool

Widths = Annotated[list[Width], Field(min_length=1, max_length=64)]


class Fcn2dHead(FeatureHead):
    """2D convolutions of the picture that the features of all frames make, T high."""

    kind: ClassVar[str] = "fcn_2d"

    widths: Widths = Field(default=[64, 64, 128, 128, 256], description="channels, layer by layer")
    stride: int = Field(default=2, ge=1, description="stride along features, of every layer")

    def reason(self, scope: Scope, x: Ref) -> Ref:
        """Write the convolutions and the average of the scores of all positions."""
        y = scope.add("plane", FeaturePlane(), scope.add("head_relu", ReLU(), x))
        for i, width in enumerate(self.widths, 1):
            conv = PlaneConv(width=width, kernel=3, stride_c=self.stride, bias=True)
            y = _unit(scope, i, conv, y)
        return _scores(scope, Conv2d(width=self.classes, bias=True), y)


class Fcn3dHead(ReasoningHead):
    """3D convolutions of the maps of all frames."""

    kind: ClassVar[str] = "fcn_3d"

    widths: Widths = Field(default=[64, 128, 256], description="channels, layer by layer")
    stride: int = Field(default=2, ge=1, description="temporal stride of every layer")

    def reason(self, scope: Scope, x: Ref) -> Ref:
        """Write the convolutions and the average of the scores of all positions."""
        y = scope.add("head_relu", ReLU(), x)
        for i, width in enumerate(self.widths, 1):
            conv = Conv3d(width=width, kernel=3, kernel_t=3, stride_t=self.stride, bias=True)
            y = _unit(scope, i, conv, y)
        return _scores(scope, Conv3d(width=self.classes, bias=True), y)


def _unit(scope: Scope, index: int, conv: Conv2d, x: Ref) -> Ref:
    y = scope.add(f"head_conv{index}", conv, x)
    y = scope.add(f"head_bn{index}", BatchNorm(), y)
    return scope.add(f"head_relu{index}", ReLU(), y)


def _scores(scope: Scope, conv: Conv2d, x: Ref) -> Ref:
    y = scope.add("classifier", conv, x, slot="classifier", roles=CLASSIFIER)
    y = scope.add("scores_relu", ReLU(), y)
    return scope.add("global_pool", GlobalPool(), y)
