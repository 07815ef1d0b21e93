"""Grouped temporal convolutions at several scales (Hussein et al., Timeception, CVPR 2019)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from stspec.blocks.base import BLOCK_OUTPUT, Block
from stspec.graph import Ref, Scope
from stspec.ops.activation import ReLU
from stspec.ops.base import ShapeError
from stspec.ops.conv import Conv3d
from stspec.ops.join import Concat
from stspec.ops.norm import BatchNorm
from stspec.ops.pool import MaxPool3d
from stspec.ops.shuffle import ChannelShuffle, PairMax


class MultiScaleTemporal(Block):
    """Groups of channels pass temporal convolutions of several lengths, then time is pooled.

    In every group a branch reduces channels alone, one for each kernel looks along time channel
    by channel, and one takes the maximum of neighbouring frames; all have a norm. What they give
    is interleaved, so that the next block's groups see all of them.
    """

    kind: ClassVar[str] = "multi_scale_temporal"

    groups: int = Field(default=8, ge=1, description="groups of channels")
    kernels: list[Annotated[int, Field(ge=1)]] = Field(
        default=[3, 5, 7], min_length=1, max_length=16, description="temporal kernels, odd"
    )
    expansion: float = Field(default=1.25, gt=0, description="channels that come out, per input")
    pool: int = Field(default=2, ge=1, description="frames that are pooled to one at the end")

    @model_validator(mode="after")
    def _keeps_the_frames(self) -> Self:
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError("an even kernel has no middle frame: branches must be equally long")
        return self

    def branch_width(self, channels: int) -> int:
        """Return a branch's channels in one group.

        Raises:
            ShapeError: if the groups do not divide the channels, or none would be left.
        """
        if channels % self.groups:
            raise ShapeError(f"{channels} channels cannot be divided into {self.groups} groups")
        branches = len(self.kernels) + 2
        width = int(channels * self.expansion / float(branches * self.groups))
        if width < 1:
            raise ShapeError(f"{channels} channels leave none for {branches} branches")
        return width

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the branches, the shuffle and the pool."""
        width = self.groups * self.branch_width(x.channels)
        scope.fields |= {"width": width}
        count = len(self.kernels) + 2
        outs = [self._branch(scope, x, f"branch{i}", width, i) for i in range(count)]
        y = scope.add("concat", Concat(), *outs)
        y = scope.add("relu", ReLU(), y)
        y = scope.add("shuffle", ChannelShuffle(groups=self.groups, parts=len(outs)), y)
        if self.pool == 1:
            return scope.role(y, *BLOCK_OUTPUT)
        op = MaxPool3d(kernel=1, stride=1, kernel_t=self.pool, stride_t=self.pool)
        return scope.add("pool", op, y, roles=BLOCK_OUTPUT)

    def _branch(self, scope: Scope, x: Ref, name: str, width: int, index: int) -> Ref:
        y = scope.add(
            f"{name}_reduce",
            Conv3d(width=width, groups=self.groups, bias=True),
            x,
            slot=f"{name}.reduce",
        )
        if 1 <= index <= len(self.kernels):
            kernel = self.kernels[index - 1]
            conv = Conv3d(groups="depthwise", kernel_t=kernel, bias=True)
            y = scope.add(f"{name}_conv", conv, y, slot=f"{name}.conv")
        elif index:
            y = scope.add(f"{name}_max", PairMax(), y)
        return scope.add(f"{name}_bn", scope.defaults.norm or BatchNorm(), y, value=name)
