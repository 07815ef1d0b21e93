"""Inception modules of GoogLeNet and BNInception."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stspec.blocks.base import BLOCK_OUTPUT, MODULE_INPUT, MODULE_OUTPUT, Block
from stspec.blocks.units import nested_unit
from stspec.graph import Ref, Scope
from stspec.ops.join import Concat
from stspec.ops.pool import AvgPool2d, MaxPool2d

Width = Annotated[int, Field(ge=1)]


class Inception(Block):
    """Parallel branches of convolutions and a pool, concatenated (Szegedy et al., CVPR 2015).

    Branches 2 and 3 begin with a 1x1 convolution and go on with 3x3 ones, as torchvision's
    GoogLeNet ("5x5" is 3x3 there) and BNInception (Ioffe and Szegedy, 2015) have them. A strided
    module has no branch 1 and passes its pool through.
    """

    kind: ClassVar[str] = "inception"
    roles: ClassVar[tuple[tuple[str, str], ...]] = MODULE_INPUT
    channel_fields: ClassVar[tuple[str, ...]] = ("branch1", "branch2", "branch3", "branch4")

    branch1: int | None = Field(default=None, ge=1, description="width of the 1x1 branch")
    branch2: list[Width] = Field(min_length=2, max_length=16, description="widths: 1x1, then 3x3")
    branch3: list[Width] = Field(min_length=2, max_length=16, description="1x1, then 3x3 each")
    branch4: int | None = Field(default=None, ge=1, description="width behind the pool; none")
    pool: Literal["max", "avg"] = Field(default="max", description="what branch 4 pools by")
    stride: int = Field(default=1, ge=1, description="spatial stride of the last convolutions")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the branches and their concatenation."""
        scope.fields = {
            "in_channels": x.channels,
            "branch1": self.branch1,
            "reduce2": self.branch2[0],
            "branch2": self.branch2[-1],
            "reduce3": self.branch3[0],
            "branch3": self.branch3[-1],
            "branch4": self.branch4,
        }
        if self.stride > 1:
            scope.kind = f"downsample_{scope.kind}"
        outs = []
        if self.branch1 is not None:
            outs.append(nested_unit(scope, "branch1", x, "branch1", width=self.branch1))
        outs.append(self._branch(scope, x, "branch2", self.branch2))
        outs.append(self._branch(scope, x, "branch3", self.branch3))
        outs.append(self._pool_branch(scope, x))
        return scope.add("concat", Concat(), *outs, roles=(*MODULE_OUTPUT, *BLOCK_OUTPUT))

    def _branch(self, scope: Scope, x: Ref, name: str, widths: list[int]) -> Ref:
        def build(sub: Scope, y: Ref) -> Ref:
            for i, width in enumerate(widths):
                stride = self.stride if i == len(widths) - 1 else 1
                kernel = 3 if i else 1
                y = nested_unit(
                    sub, str(i), y, f"{name}.{i}", width=width, kernel=kernel, stride=stride
                )
            return y

        return scope.sub(name, "sequential", x, build)

    def _pool_branch(self, scope: Scope, x: Ref) -> Ref:
        pool = MaxPool2d if self.pool == "max" else AvgPool2d
        padding = 1 if self.stride == 1 else 0
        op = pool(kernel=3, stride=self.stride, padding=padding, ceil_mode=True)
        width = self.branch4
        if width is None:
            return scope.add("branch4", op, x, slot="branch4.0")

        def build(sub: Scope, y: Ref) -> Ref:
            y = sub.add("0", op, y, slot="branch4.0")
            return nested_unit(sub, "1", y, "branch4.1", width=width)

        return scope.sub("branch4", "sequential", x, build)
