"""A head over several depths of the trunk, each at a tempo of its own."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from stspec.blocks.heads.base import Head, Width, classified
from stspec.graph import Ref, Scope
from stspec.ops.base import ShapeError
from stspec.ops.conv import Conv3d
from stspec.ops.join import Add, Concat
from stspec.ops.linear import Dropout
from stspec.ops.norm import BatchNorm
from stspec.ops.pool import GlobalPool, MaxPool3d
from stspec.ops.sample import FrameRepeat

Rate = Annotated[int, Field(ge=1, le=4096)]


class PyramidHead(Head):
    """A temporal pyramid over layers of the trunk (Yang et al., TPN, CVPR 2020), classified.

    Each layer that is read becomes a level: strided convolutions bring it to the size and the
    channels of the last one, a temporal convolution and a pool to its tempo. Levels flow into one
    another from the last to the first and back; what both flows give is fused.
    """

    kind: ClassVar[str] = "pyramid"
    several: ClassVar[bool] = True

    rates: list[Rate] = Field(
        default=[8], min_length=1, max_length=16, description="frames that become one, by level"
    )
    width: int = Field(default=1024, ge=1, description="channels of a level")
    fused: Width | Literal["last"] = Field(
        default="last", description="channels of fused levels; as many as the last layer has"
    )
    groups: int = Field(default=32, ge=1, description="groups of a level's convolutions")
    flow: Literal["cascade", "parallel"] = Field(
        default="cascade", description="upwards from what flowed downwards, or from the levels"
    )
    dropout: float = Field(default=0.5, ge=0, lt=1, description="in front of the classifier")

    @model_validator(mode="after")
    def _rates_multiply(self) -> Self:
        for first, second in pairwise(self.rates):
            if second % first:
                raise ValueError("each rate must be a multiple of the one before")
        return self

    def build(self, scope: Scope, x: Ref, *more: Ref) -> Ref:
        """Write the pyramid, the average over the clip and the classifier."""
        levels = (x, *more)
        if len(self.rates) not in (1, len(levels)):
            raise ShapeError(f"pyramid has {len(levels)} levels but {len(self.rates)} rates")
        inner = Scope("temporal_pyramid", [level.channels for level in levels], scope.defaults)
        out = self._pyramid(inner)
        y = scope.nest("pyramid", inner.finish(out), out.channels, *levels)
        y = scope.add("global_pool", GlobalPool(), y)
        y = scope.add("dropout", Dropout(p=self.dropout), y) if self.dropout else y
        return classified(scope, y, self.classes)

    def _pyramid(self, scope: Scope) -> Ref:
        rates = self.rates * (len(scope.inputs) if len(self.rates) == 1 else 1)
        levels = [self._level(scope, i, rate) for i, rate in enumerate(rates)]
        down = list(levels)
        for i in range(len(levels) - 1, 0, -1):
            above = self._repeated(scope, f"repeat{i}", down[i], rates[i] // rates[i - 1])
            down[i - 1] = scope.add(f"down{i}", Add(), down[i - 1], above)
        up = list(down if self.flow == "cascade" else levels)
        for i in range(len(levels) - 1):
            conv = Conv3d(width=self.width, kernel_t=3)
            below = scope.add(f"up_conv{i + 1}", conv, up[i], slot="up")
            below = self._slowed(scope, f"up_pool{i + 1}", below, rates[i + 1] // rates[i])
            up[i + 1] = scope.add(f"up{i + 1}", Add(), up[i + 1], below)
        ends = [
            self._fusion(scope, name, flow, rates)
            for name, flow in (("top_down", down), ("bottom_up", up))
        ]
        y = scope.add("pyramids", Concat(), *ends)
        return self._unit(scope, "fusion", y, Conv3d(width=ends[0].channels))

    def _level(self, scope: Scope, index: int, rate: int) -> Ref:
        """Write how a layer becomes a level: its channels and size, then its tempo."""
        y, last = scope.inputs[index], scope.inputs[-1].channels
        step = 0
        while y.channels < last:
            step += 1
            conv = Conv3d(width=2 * y.channels, kernel=3, stride=2)
            y = self._unit(scope, f"space{index + 1}_{step}", y, conv)
        if y.channels != last:
            arriving = scope.inputs[index].channels
            raise ShapeError(f"pyramid cannot double {arriving} channels to {last}")
        conv = Conv3d(width=self.width, kernel_t=3, groups=self.groups)
        y = scope.add(f"tempo{index + 1}", conv, y, slot="tempo")
        return self._slowed(scope, f"tempo_pool{index + 1}", y, rate)

    def _slowed(self, scope: Scope, name: str, x: Ref, rate: int) -> Ref:
        if rate == 1:
            return x
        op = MaxPool3d(kernel=1, stride=1, kernel_t=rate, stride_t=rate, ceil_mode=True)
        return scope.add(name, op, x)

    def _repeated(self, scope: Scope, name: str, x: Ref, times: int) -> Ref:
        return x if times == 1 else scope.add(name, FrameRepeat(times=times), x)

    def _fusion(self, scope: Scope, name: str, levels: list[Ref], rates: list[int]) -> Ref:
        """Write how a flow's levels become one value, at the tempo of the last."""
        ends = []
        for i, level in enumerate(levels):
            y = self._slowed(scope, f"{name}_pool{i + 1}", level, rates[-1] // rates[i])
            conv = Conv3d(width=self.width, groups=self.groups)
            ends.append(self._unit(scope, f"{name}_level{i + 1}", y, conv))
        width = scope.inputs[-1].channels if self.fused == "last" else self.fused
        y = scope.add(f"{name}_levels", Concat(), *ends)
        return self._unit(scope, name, y, Conv3d(width=width))

    def _unit(self, scope: Scope, name: str, x: Ref, conv: Conv3d) -> Ref:
        def build(sub: Scope, y: Ref) -> Ref:
            y = sub.add("conv", conv, y, slot=name)
            y = sub.add("bn", sub.defaults.norm or BatchNorm(), y)
            return sub.add("relu", sub.defaults.activation(), y)

        return scope.sub(name, "conv_unit", x, build, value=name)
