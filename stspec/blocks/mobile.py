"""Inverted residual of MobileNetV2 (Sandler et al., CVPR 2018), with torchvision's names."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from stspec.blocks.base import BLOCK_INPUT, BLOCK_OUTPUT, RESIDUAL_END, RESIDUAL_START, Block
from stspec.blocks.units import numbered
from stspec.graph import Ref, Scope
from stspec.ops.join import Add


class InvertedResidual(Block):
    """1x1 expansion, depth-wise 3x3, linear 1x1; a shortcut where shapes agree."""

    kind: ClassVar[str] = "inverted_residual"
    roles: ClassVar[tuple[tuple[str, str], ...]] = BLOCK_INPUT

    width: int = Field(ge=1, description="output channels")
    expand: int = Field(default=6, ge=1, description="inner channels per input channel")
    stride: int = Field(default=1, ge=1, description="spatial stride of the depth-wise convolution")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the convolutions and, where shapes agree, the shortcut."""
        residual = self.stride == 1 and x.channels == self.width
        inner = x.channels * self.expand
        scope.fields["inner"] = inner

        def build(sub: Scope, y: Ref) -> Ref:
            if self.expand != 1:
                y = _unit(sub, "0", y, "expand", width=inner)
            n = int(self.expand != 1)
            y = _unit(sub, str(n), y, "depthwise", kernel=3, stride=self.stride, groups="depthwise")
            return sub.unit(
                str(n + 1), y, width=self.width, kernel=1, norm=str(n + 2), slot="project"
            )

        roles = RESIDUAL_START if residual and self.expand != 1 else ()
        y = scope.sub(
            "conv", "sequential", x, build, roles=roles + (RESIDUAL_END if residual else ())
        )
        if not residual:
            scope.kind = "linear_bottleneck"
            return scope.role(y, *BLOCK_OUTPUT)
        return scope.add("add", Add(), x, y, roles=BLOCK_OUTPUT)


def _unit(scope: Scope, name: str, x: Ref, slot: str, **conv: Any) -> Ref:
    return scope.sub(name, "sequential", x, lambda s, y: numbered(s, y, slot=slot, **conv))
