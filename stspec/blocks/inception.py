"""Inception modules of GoogLeNet, BNInception and InceptionV3."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from stspec.blocks.base import BLOCK_OUTPUT, MODULE_INPUT, MODULE_OUTPUT, Block
from stspec.blocks.units import nested_unit
from stspec.graph import Ref, Scope
from stspec.ops.join import Concat
from stspec.ops.pool import AvgPool2d, MaxPool2d

Width = Annotated[int, Field(ge=1)]
Kernel = Width | Annotated[list[Width], Field(min_length=2, max_length=2)]
"""A side, or height and width."""


class Inception(Block):
    """Parallel branches of convolutions and a pool, concatenated (Szegedy et al., CVPR 2015).

    Where nothing else is said, branches 2 and 3 begin with a 1x1 convolution and go on with 3x3
    ones, as torchvision's GoogLeNet ("5x5" is 3x3 there) and BNInception (Ioffe and Szegedy, 2015)
    have them. InceptionV3 (Szegedy et al., CVPR 2016) has kernels of 5x5, 7x1 and 1x7, and at the
    ends of branches two side by side. A strided module passes its pool through.
    """

    kind: ClassVar[str] = "inception"
    roles: ClassVar[tuple[tuple[str, str], ...]] = MODULE_INPUT
    channel_fields: ClassVar[tuple[str, ...]] = ("branch1", "branch2", "branch3", "branch4")

    branch1: int | None = Field(default=None, ge=1, description="width of the 1x1 branch; none")
    branch2: list[Width] = Field(min_length=2, max_length=16, description="widths: 1x1, then 3x3")
    branch3: list[Width] | None = Field(
        default=None, min_length=2, max_length=16, description="1x1, then 3x3 each; none"
    )
    branch4: int | None = Field(default=None, ge=1, description="width behind the pool; none")
    pool: Literal["max", "avg"] = Field(default="max", description="what branch 4 pools by")
    stride: int = Field(default=1, ge=1, description="spatial stride of the last convolutions")
    kernel1: int = Field(default=1, ge=1, description="kernel of branch 1")
    kernels2: list[Kernel] | None = Field(
        default=None, description="kernels of branch 2, each a side or [height, width]"
    )
    kernels3: list[Kernel] | None = Field(default=None, description="kernels of branch 3")
    ends: list[Kernel] | None = Field(
        default=None,
        min_length=1,
        max_length=4,
        description="kernels side by side at the ends of branches 2 and 3",
    )
    padded: bool = Field(
        default=True, description="strided convolutions are padded, and their pool rounds up"
    )

    @model_validator(mode="after")
    def _a_kernel_for_each(self) -> Self:
        for name in ("2", "3"):
            kernels, widths = getattr(self, f"kernels{name}"), getattr(self, f"branch{name}") or []
            if kernels is not None and len(kernels) != len(widths):
                raise ValueError(f"branch {name} has {len(widths)} widths, {len(kernels)} kernels")
        return self

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the branches and their concatenation."""
        scope.fields = {
            "in_channels": x.channels,
            "branch1": self.branch1,
            "reduce2": self.branch2[0],
            "branch2": self.branch2[-1],
            "reduce3": self.branch3[0] if self.branch3 else None,
            "branch3": self.branch3[-1] if self.branch3 else None,
            "branch4": self.branch4,
        }
        if self.stride > 1:
            scope.kind = f"downsample_{scope.kind}"
        outs = []
        if self.branch1 is not None:
            conv = self._last(self.branch1, self.kernel1)
            outs.append(nested_unit(scope, "branch1", x, "branch1", **conv))
        outs.append(self._branch(scope, x, "branch2", self.branch2, self.kernels2))
        if self.branch3 is not None:
            outs.append(self._branch(scope, x, "branch3", self.branch3, self.kernels3))
        outs.append(self._pool_branch(scope, x))
        return scope.add("concat", Concat(), *outs, roles=(*MODULE_OUTPUT, *BLOCK_OUTPUT))

    def _branch(
        self, scope: Scope, x: Ref, name: str, widths: list[int], kernels: list[Kernel] | None
    ) -> Ref:
        sides = kernels or [1, *[3] * (len(widths) - 1)]

        def build(sub: Scope, y: Ref) -> Ref:
            for i, (width, side) in enumerate(zip(widths[:-1], sides, strict=False)):
                y = nested_unit(sub, str(i), y, f"{name}.{i}", width=width, **_kernel(side))
            return self._end(sub, y, name, widths, sides)

        return scope.sub(name, "sequential" if self.ends is None else "split_branch", x, build)

    def _end(self, sub: Scope, x: Ref, name: str, widths: list[int], sides: list[Kernel]) -> Ref:
        """Write a branch's last convolution, or those side by side in its stead."""
        last, width = len(widths) - 1, widths[-1]
        if self.ends is None:
            conv = self._last(width, sides[-1])
            return nested_unit(sub, str(last), x, f"{name}.{last}", **conv)
        ends = []
        for side, letter in zip(self.ends, "abcd", strict=False):
            key, slot = f"end_{letter}", f"{name}.{last}{letter}"
            ends.append(nested_unit(sub, key, x, slot, **self._last(width, side)))
        return sub.add("concat", Concat(), *ends)

    def _last(self, width: int, side: Kernel) -> dict[str, Any]:
        """Return the fields of a branch's last convolution, which carries the stride."""
        conv = {"width": width, "stride": self.stride, **_kernel(side)}
        unpadded = self.stride > 1 and not self.padded
        return conv | {"padding": 0} if unpadded else conv

    def _pool_branch(self, scope: Scope, x: Ref) -> Ref:
        pool = MaxPool2d if self.pool == "max" else AvgPool2d
        padding = 1 if self.stride == 1 else 0
        rounds_up = self.stride == 1 or self.padded
        op = pool(kernel=3, stride=self.stride, padding=padding, ceil_mode=rounds_up)
        width = self.branch4
        if width is None:
            return scope.add("branch4", op, x, slot="branch4.0")

        def build(sub: Scope, y: Ref) -> Ref:
            y = sub.add("0", op, y, slot="branch4.0")
            return nested_unit(sub, "1", y, "branch4.1", width=width)

        return scope.sub("branch4", "sequential", x, build)


def _kernel(side: Kernel) -> dict[str, int]:
    """Return a kernel as fields of a convolution."""
    if isinstance(side, int):
        return {"kernel": side}
    return {"kernel": side[0], "kernel_w": side[1]}
