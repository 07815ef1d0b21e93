"""Bottleneck of several scales (Gao et al., Res2Net, TPAMI 2021)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stspec.blocks.base import BLOCK_INPUT, BLOCK_OUTPUT, RESIDUAL_END, RESIDUAL_START, Block
from stspec.blocks.residual import project
from stspec.graph import Ref, Scope
from stspec.ops.join import Add, Chunk, Concat
from stspec.ops.pool import AvgPool2d

LAST_SPLIT = (("last_split", "output"),)


class MultiscaleBottleneck(Block):
    """A bottleneck whose 3x3 is a cascade of 3x3s over splits of the channels.

    Each split is convolved with what the split before it gave, but for the last, which stays as
    it is. Where the block changes the shape splits stand alone and the last is pooled.
    """

    kind: ClassVar[str] = "multiscale_bottleneck"
    roles: ClassVar[tuple[tuple[str, str], ...]] = BLOCK_INPUT

    width: int = Field(ge=1, description="channels of the bottleneck that it varies")
    stride: int = Field(default=1, ge=1, description="spatial stride of the 3x3 convolutions")
    expansion: int = Field(default=4, ge=1, description="output channels per channel of width")
    base_width: int = Field(default=26, ge=1, description="channels of a split where width is 64")
    scale: int = Field(default=4, ge=1, le=64, description="splits")
    cascade: bool | None = Field(
        default=None, description="splits read those before them; where the shape stays"
    )

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write conv1, the splits and their convolutions, conv3 and the shortcut."""
        out, split = self.width * self.expansion, max(1, self.width * self.base_width // 64)
        scope.fields |= {"inner": split * self.scale, "split": split}
        shortcut = project(scope, x, out, self.stride)
        cascade = shortcut.name == x.name if self.cascade is None else self.cascade
        y = scope.unit(
            "conv1",
            x,
            width=split * self.scale,
            kernel=1,
            norm="bn1",
            act="relu1",
            roles=RESIDUAL_START,
        )
        outs = self._splits(scope, y, split, cascade)
        if self.scale > 1:
            outs.append(self._last(scope, y, cascade))
        y = scope.add("concat", Concat(), *outs) if len(outs) > 1 else outs[0]
        y = scope.unit("conv3", y, width=out, kernel=1, norm="bn3")
        scope.role(y, *RESIDUAL_END)
        y = scope.add("add", Add(), y, shortcut)
        return scope.add("relu", scope.defaults.activation(), y, roles=BLOCK_OUTPUT)

    def _splits(self, scope: Scope, x: Ref, width: int, cascade: bool) -> list[Ref]:
        outs: list[Ref] = []
        for i in range(max(1, self.scale - 1)):
            y = self._split(scope, x, i)
            if outs and cascade:
                y = scope.add(f"add{i}", Add(), outs[-1], y)
            y = scope.unit(
                f"conv2_{i}",
                y,
                width=width,
                kernel=3,
                stride=self.stride,
                norm=f"bn2_{i}",
                act=f"relu2_{i}",
            )
            outs.append(y)
        return outs

    def _split(self, scope: Scope, x: Ref, index: int) -> Ref:
        if self.scale == 1:
            return x
        return scope.add(f"split{index}", Chunk(parts=self.scale, index=index), x)

    def _last(self, scope: Scope, x: Ref, cascade: bool) -> Ref:
        y = scope.role(self._split(scope, x, self.scale - 1), *LAST_SPLIT)
        if cascade and self.stride == 1:
            return y
        scope.kind = scope.kind if scope.kind.startswith("downsample_") else f"strided_{scope.kind}"
        return scope.add("pool", AvgPool2d(kernel=3, stride=self.stride, padding=1), y)
