"""Two branches of two resolutions, merged stage by stage (Chen et al., Big-Little Net, ICLR 2019).

Names are those of the public image networks.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stspec.blocks.base import BLOCK_INPUT, BLOCK_OUTPUT, RESIDUAL_END, RESIDUAL_START, Block
from stspec.blocks.residual import project
from stspec.graph import Ref, Scope
from stspec.ops.gate import Resize
from stspec.ops.join import Add
from stspec.ops.pool import AvgPool2d

BIG = (("big_branch", "input"),)
LITTLE = (("little_branch", "input"),)
MERGED = (("merged", "output"),)


class BigLittle(Block):
    """Most bottlenecks at half the resolution beside few, narrow ones at the whole, then one more.

    The big branch is brought back to the little one's resolution and added; the last bottleneck
    reads the sum. The little branch has 1 / alpha of the width and 1 / beta of the depth.
    """

    kind: ClassVar[str] = "big_little"
    roles: ClassVar[tuple[tuple[str, str], ...]] = BLOCK_INPUT

    width: int = Field(ge=1, description="channels of the first two convolutions of a bottleneck")
    depth: int = Field(ge=2, le=256, description="bottlenecks of the big branch and the last one")
    stride: int = Field(default=1, ge=1, le=2, description="spatial stride of the last bottleneck")
    alpha: int = Field(default=2, ge=1, description="the little branch's width is 1 / alpha")
    beta: int = Field(default=4, ge=1, description="the little branch's depth is 1 / beta")
    expansion: int = Field(default=4, ge=1, description="output channels per channel of width")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write both branches, their sum and the last bottleneck."""
        out = self.width * self.expansion
        narrow = max(1, out // self.alpha)
        deep, shallow = self.depth - 1, max(1, self.depth // self.beta - 1)
        scope.fields["narrow"] = narrow

        def big(sub: Scope, y: Ref) -> Ref:
            # The sum is activated, so a branch of several bottlenecks ends without activation.
            return _bottlenecks(sub, y, out, deep, self, stride=2, open_end=deep > 1)

        def little(sub: Scope, y: Ref) -> Ref:
            return _bottlenecks(sub, y, narrow, shallow, self)

        def widen(sub: Scope, y: Ref) -> Ref:
            return sub.unit("0", y, width=out, kernel=1, norm="1", slot="little_e")

        def fusion(sub: Scope, y: Ref) -> Ref:
            return _bottlenecks(sub, y, out, 1, self, stride=self.stride)

        y = scope.sub("big", "sequential", x, big, value="big", roles=BIG)
        z = scope.sub("little", "sequential", x, little, value="little", roles=LITTLE)
        z = scope.sub("little_e", "sequential", z, widen, value="little")
        y = scope.add("resize", Resize(), y, z, value="big")
        y = scope.add("add", Add(), y, z)
        y = scope.add("relu", scope.defaults.activation(), y)
        return scope.sub("fusion", "sequential", y, fusion, roles=(*MERGED, *BLOCK_OUTPUT))


class BigLittleStem(Block):
    """A strided 3x3 convolution beside two narrow ones and a 1x1, their sum, and a 1x1."""

    kind: ClassVar[str] = "big_little_stem"
    roles: ClassVar[tuple[tuple[str, str], ...]] = BLOCK_INPUT

    width: int = Field(default=64, ge=1, description="output channels")
    alpha: int = Field(default=2, ge=1, description="the little branch's width is 1 / alpha")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write both branches, their sum and the last convolution."""
        narrow = max(1, self.width // self.alpha)

        def little(sub: Scope, y: Ref) -> Ref:
            y = sub.unit("conv0", y, width=narrow, kernel=3, norm="bn0", act="relu0")
            y = sub.unit("conv1", y, width=narrow, kernel=3, stride=2, norm="bn1", act="relu1")
            return sub.unit("conv2", y, width=self.width, kernel=1, norm="bn2")

        def big(sub: Scope, y: Ref) -> Ref:
            return sub.unit("0", y, width=self.width, kernel=3, stride=2, norm="1", slot="big")

        y = scope.sub("big", "sequential", x, big, value="big", roles=BIG)
        z = scope.sub("little", "little_stem", x, little, value="little", roles=LITTLE)
        y = scope.add("add", Add(), y, z)
        y = scope.add("relu", scope.defaults.activation(), y)
        y = scope.unit("conv", y, width=self.width, kernel=1, norm="bn", act="relu2")
        return scope.role(y, *MERGED, *BLOCK_OUTPUT)


def _bottlenecks(
    scope: Scope,
    x: Ref,
    out: int,
    count: int,
    block: BigLittle,
    stride: int = 1,
    open_end: bool = False,
) -> Ref:
    """Write bottlenecks, numbered, of which the first strides."""
    inner = max(1, out // block.expansion)
    for i in range(count):
        is_open = open_end and i == count - 1
        step = stride if i == 0 else 1
        kind = f"{'open_' if is_open else ''}bottleneck"

        def build(sub: Scope, y: Ref, step: int = step, is_open: bool = is_open) -> Ref:
            sub.fields = {"width": inner, "stride": step}
            return _bottleneck(sub, y, inner, out, step, is_open)

        x = scope.sub(str(i), kind, x, build)
    return x


def _bottleneck(scope: Scope, x: Ref, inner: int, out: int, stride: int, is_open: bool) -> Ref:
    """Write a bottleneck; one without activation at its end is open."""
    shortcut = _shortcut(scope, x, out, stride)
    y = scope.unit("conv1", x, width=inner, kernel=1, norm="bn1", act="relu1", roles=RESIDUAL_START)
    y = scope.unit("conv2", y, width=inner, kernel=3, stride=stride, norm="bn2", act="relu2")
    y = scope.unit("conv3", y, width=out, kernel=1, norm="bn3")
    scope.role(y, *RESIDUAL_END)
    y = scope.add("add", Add(), y, shortcut)
    return y if is_open else scope.add("relu", scope.defaults.activation(), y)


def _shortcut(scope: Scope, x: Ref, out: int, stride: int) -> Ref:
    """Write the shortcut: pooled where it strides, projected where it has other channels."""
    if x.channels != out or stride == 1:
        return project(scope, x, out, stride, pool=3)
    scope.kind = f"pooled_{scope.kind}"
    return scope.add(
        "downsample", AvgPool2d(kernel=3, stride=stride, padding=1), x, value="shortcut"
    )
