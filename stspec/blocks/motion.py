"""Excitation of channels by motion (Li et al., TEA, CVPR 2020; Wang et al., TDN, CVPR 2021)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from stspec.blocks.base import Block
from stspec.graph import Ref, Scope
from stspec.ops.conv import Conv2d
from stspec.ops.gate import Average, Gate, Resize, TemporalDifference
from stspec.ops.pool import AvgPool2d, SpatialPool


class MotionExcitation(Block):
    """Channels are excited where neighbouring frames differ: x * (sigmoid(y) + 0.5).

    Features are reduced; a frame's differ from its neighbour's, moved by a 3x3 kernel; their
    mean over space excites whole channels, or a pyramid of three scales each position. Of both
    directions, convolutions and norms see all differences at once, as one clip of 2 * T frames.
    """

    kind: ClassVar[str] = "motion_excitation"

    reduction: int = Field(default=16, ge=1, description="input channels per inner channel")
    bidirectional: bool = Field(
        default=False, description="differences from the last frame too, as those from the next"
    )
    pyramid: bool = Field(
        default=False, description="each position, over three scales; else their mean over space"
    )

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the differences, what becomes of them, and the gate."""
        inner = max(1, x.channels // self.reduction)
        scope.fields["inner"] = inner
        y = _unit(scope, "conv1", "bn1", x, width=inner)
        moved = scope.add("conv2", Conv2d(kernel=3, groups="depthwise"), y)
        op = TemporalDifference(direction="both" if self.bidirectional else "forward")
        y = scope.add("difference", op, moved, y, value="motion")
        if self.pyramid:
            y = self._scales(scope, y)
        else:
            y = scope.add("pool", SpatialPool(keep=True), y, value="motion")
        y = _unit(scope, "conv3", "bn3", y, width=x.channels, value="motion")
        return scope.add("gate", Gate(offset=0.5), x, y)

    def _scales(self, scope: Scope, motion: Ref) -> Ref:
        full = _unit(scope, "conv_full", "bn_full", motion, kernel=3, value="full")
        half = scope.add("pool_half", AvgPool2d(kernel=2, stride=2), motion, value="half")
        half = _unit(scope, "conv_half", "bn_half", half, kernel=3, value="half")
        half = scope.add("resize", Resize(), half, motion, value="half")
        return scope.add("average", Average(), motion, half, full, value="motion")


def _unit(scope: Scope, name: str, norm: str, x: Ref, value: str | None = None, **conv: Any) -> Ref:
    """Write a convolution without bias and its norm, which are no place for other rules."""
    y = scope.add(name, Conv2d(**conv), x, value=value)
    if scope.defaults.norm is not None:
        y = scope.add(norm, scope.defaults.norm, y, value=value)
    return y
