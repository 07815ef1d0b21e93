"""Convolution, norm and activation as a block of its own."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from stspec.blocks.base import MODULE_OUTPUT, Block
from stspec.graph import Ref, Scope
from stspec.ops.conv import Groups


class ConvUnit(Block):
    """Convolution, norm and activation, named conv and bn as in torchvision's GoogLeNet."""

    kind: ClassVar[str] = "conv_unit"
    core: ClassVar[str | None] = "conv"

    width: int | None = Field(default=None, ge=1, description="output channels; as many as input")
    expansion: float | None = Field(
        default=None, gt=0, le=64, description="output channels per channel, in place of a width"
    )
    kernel: int = Field(default=1, ge=1, description="spatial kernel")
    stride: int = Field(default=1, ge=1, description="spatial stride")
    padding: int | None = Field(default=None, ge=0, description="spatial padding; kernel // 2")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write conv, bn and the activation."""
        fields = self.model_dump(exclude={"expansion"})
        if self.expansion is not None:
            fields["width"] = max(1, int(self.expansion * x.channels))
        y = unit(scope, x, **fields)
        return scope.role(y, *MODULE_OUTPUT)

    @model_validator(mode="after")
    def _one_width(self) -> Self:
        if self.width is not None and self.expansion is not None:
            raise ValueError("a width and an expansion exclude each other")
        return self


class ConvSequence(Block):
    """Convolution, norm and activation, numbered 0, 1, 2 as in torchvision's MobileNetV2."""

    kind: ClassVar[str] = "conv_sequence"
    core: ClassVar[str | None] = "0"

    width: int = Field(ge=1, description="output channels")
    kernel: int = Field(default=1, ge=1, description="spatial kernel")
    stride: int = Field(default=1, ge=1, description="spatial stride")
    groups: Groups = Field(default=1, description="channel groups, or depthwise")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the numbered convolution, norm and activation."""
        scope.kind = "sequential"
        return numbered(scope, x, slot="conv", **self.model_dump())


def numbered(scope: Scope, x: Ref, *, slot: str, **conv: Any) -> Ref:
    """Write a unit with the names 0, 1 and 2."""
    return scope.unit("0", x, norm="1", act="2", slot=slot, **conv)


def unit(scope: Scope, x: Ref, *, slot: str = "conv", **conv: Any) -> Ref:
    """Write a unit with the names conv, bn and relu."""
    return scope.unit("conv", x, norm="bn", act="relu", slot=slot, **conv)


def nested_unit(scope: Scope, name: str, x: Ref, slot: str, **conv: Any) -> Ref:
    """Write a unit as a graph of its own, for blocks whose units are modules."""
    return scope.sub(name, "conv_unit", x, lambda sub, y: unit(sub, y, slot=slot, **conv))
