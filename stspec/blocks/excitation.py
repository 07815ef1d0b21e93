"""Excitation along several paths at once (Wang et al., ACTION-Net, CVPR 2021)."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from stspec.blocks.base import Block
from stspec.graph import Ref, Scope
from stspec.ops.activation import ReLU
from stspec.ops.conv import Conv2d
from stspec.ops.excitation import MeanConv
from stspec.ops.gate import Gate, TemporalDifference
from stspec.ops.pool import SpatialPool
from stspec.ops.temporal import TemporalConv

Path = Literal["spatiotemporal", "channel", "motion"]


class Excitation(Block):
    """The input weighed by its positions, by its channels and by its motion, and summed.

    Each path gives a gate, x * (sigmoid(y) + 1): a convolution of the channels' mean; channels
    that are squeezed, convolved over three frames and expanded; how squeezed channels change
    until the next frame, expanded.
    """

    kind: ClassVar[str] = "excitation"

    paths: list[Path] = Field(
        default=["spatiotemporal", "channel", "motion"],
        min_length=1,
        max_length=3,
        description="what weighs the input",
    )
    reduction: int = Field(default=16, ge=1, description="input channels per squeezed channel")

    @model_validator(mode="after")
    def _each_path_once(self) -> Self:
        if len(set(self.paths)) < len(self.paths):
            raise ValueError("each path is taken once")
        return self

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the paths and their product with the input."""
        inner = max(1, x.channels // self.reduction)
        scope.fields["inner"] = inner
        paths = {"channel": channel_path, "motion": motion_path}
        gates = [
            paths[path](scope, x, inner)
            if path in paths
            else scope.add(path, MeanConv(), x, value=path)
            for path in self.paths
        ]
        return scope.add("gate", Gate(offset=float(len(gates))), x, *gates)


def channel_path(scope: Scope, x: Ref, inner: int) -> Ref:
    """Write pool, squeeze, temporal convolution and expansion: (C, T, 1, 1)."""
    value = "channel"
    y = scope.add("channel_pool", SpatialPool(keep=True), x, value=value)
    y = scope.add("channel_squeeze", Conv2d(width=inner), y, value=value)
    y = scope.add("channel_conv", TemporalConv(depthwise=False), y, value=value)
    y = scope.add("channel_relu", ReLU(), y, value=value)
    return scope.add("channel_expand", Conv2d(width=x.channels), y, value=value)


def motion_path(scope: Scope, x: Ref, inner: int) -> Ref:
    """Write squeeze, difference of neighbouring frames, pool and expansion: (C, T, 1, 1)."""
    value = "motion"
    y = scope.add("motion_squeeze", Conv2d(width=inner), x, value=value)
    if scope.defaults.norm is not None:
        y = scope.add("motion_bn", scope.defaults.norm, y, value=value)
    moved = scope.add("motion_conv", Conv2d(kernel=3, groups="depthwise"), y, value="moved")
    y = scope.add("motion_difference", TemporalDifference(), moved, y, value=value)
    y = scope.add("motion_pool", SpatialPool(keep=True), y, value=value)
    return scope.add("motion_expand", Conv2d(width=x.channels), y, value=value)
