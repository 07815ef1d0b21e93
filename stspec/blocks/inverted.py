"""Inverted bottleneck with activations throughout, as X3D has it, with ResNet's names."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from stspec.blocks.base import RESIDUAL_START
from stspec.blocks.residual import Residual, StrideOn, close, stride_on, strides
from stspec.graph import Ref, Scope
from stspec.ops.activation import Activation, ReLU, ReLU6, Swish
from stspec.ops.conv import Groups

ACTIVATIONS: dict[str, type[Activation]] = {op.kind: op for op in (ReLU, ReLU6, Swish)}


class InvertedBottleneck(Residual):
    """1x1 expansion, depth-wise 3x3, 1x1 beside a shortcut (Feichtenhofer, X3D, CVPR 2020).

    Unlike MobileNetV2's inverted residual it projects its shortcut where shapes differ, and is
    activated behind the sum.
    """

    kind: ClassVar[str] = "inverted_bottleneck"

    width: int = Field(ge=1, description="output channels")
    stride: int = Field(default=1, ge=1, description="spatial stride")
    stride_on: StrideOn = stride_on()
    expansion: float = Field(
        default=2.25, gt=0, le=64, description="inner channels per output channel, rounded down"
    )
    groups: Groups = Field(
        default="depthwise", description="channel groups of the 3x3, or depthwise"
    )
    inner_activation: Literal["relu", "relu6", "swish"] = Field(
        default="swish", description="activation behind the 3x3 convolution"
    )
    shortcut_norm: Literal["always", "widening"] = Field(
        default="always", description="norm behind every projection, or where channels change"
    )

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write conv1, conv2, conv3 and the shortcut."""
        inner = max(1, int(self.expansion * self.width))
        scope.fields["inner"] = inner
        norm = self.shortcut_norm == "always" or x.channels != self.width
        first, second = strides(self.stride, self.stride_on)
        shortcut = self.short(scope, x, self.width, norm)
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
            act="act2",
            activation=ACTIVATIONS[self.inner_activation],
        )
        y = scope.unit("conv3", y, width=self.width, kernel=1, norm="bn3")
        return close(scope, y, shortcut)
