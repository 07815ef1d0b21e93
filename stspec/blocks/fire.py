"""Fire module of SqueezeNet (Iandola et al., 2016)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stspec.blocks.base import BLOCK_OUTPUT, MODULE_INPUT, MODULE_OUTPUT, Block
from stspec.graph import Ref, Scope
from stspec.ops.join import Add, Concat


class Fire(Block):
    """1x1 squeeze, then 1x1 and 3x3 expansions side by side; optionally with simple bypass."""

    kind: ClassVar[str] = "fire"
    roles: ClassVar[tuple[tuple[str, str], ...]] = MODULE_INPUT
    channel_fields: ClassVar[tuple[str, ...]] = ("squeeze", "expand")

    squeeze: int = Field(ge=1, description="channels of the squeeze")
    expand: int = Field(ge=1, description="channels of each expansion")
    bypass: bool = Field(default=False, description="add the input where shapes agree")

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the convolutions and, where asked for, the bypass."""
        y = scope.unit(
            "squeeze", x, width=self.squeeze, kernel=1, norm="bn_squeeze", act="relu_squeeze"
        )
        one = scope.unit("expand1x1", y, width=self.expand, kernel=1, norm="bn1x1", act="relu1x1")
        three = scope.unit("expand3x3", y, width=self.expand, kernel=3, norm="bn3x3", act="relu3x3")
        roles = (*MODULE_OUTPUT, *BLOCK_OUTPUT)
        if not self.bypass or x.channels != 2 * self.expand:
            return scope.add("concat", Concat(), one, three, roles=roles)
        scope.kind = "bypass_fire"
        joined = scope.add("concat", Concat(), one, three)
        return scope.add("add", Add(), joined, x, roles=roles)
