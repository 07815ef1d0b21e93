"""Correlation block (Wang et al., CorrNet, CVPR 2020)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from stspec.blocks.base import Block
from stspec.graph import Ref, Scope
from stspec.ops.base import ShapeError
from stspec.ops.conv import Conv3d
from stspec.ops.correlation import Correlation, Odd
from stspec.ops.join import Add, Concat


class CorrelationBlock(Block):
    """Reduced features are correlated with the previous frame's, and joined with what arrived.

    A sum has the responses brought back to as many channels as arrive, and adds the input; a
    concatenation lets the reduced features fill what channels the responses leave.
    """

    kind: ClassVar[str] = "correlation_block"

    reduction: int = Field(default=4, ge=1, description="input channels per reduced channel")
    kernel: Odd = Field(default=7, ge=1, description="offsets along each side, an odd number")
    dilation: int = Field(default=2, ge=1, description="positions from one offset to the next")
    groups: int = Field(default=32, ge=1, description="groups of channels")
    join: Literal["sum", "concat"] = Field(
        default="sum", description="with the input, or with the reduced features"
    )

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the reduction, the correlation and what joins them."""
        inner = max(1, x.channels // self.reduction)
        op = Correlation(kernel=self.kernel, dilation=self.dilation, groups=self.groups)
        responses = op.channels([inner])
        scope.fields |= {"inner": inner, "responses": responses}
        y = _unit(scope, "conv1", "bn1", x, inner)
        y = scope.add("relu1", scope.defaults.activation(), y, value="y")
        found = scope.add("correlation", op, y, value="responses")
        if self.join == "sum":
            found = _unit(scope, "conv2", "bn2", found, x.channels)
            out = scope.add("add", Add(), x, found)
        else:
            rest = _unit(scope, "conv2", "bn2", y, self._rest(x.channels, responses))
            out = scope.add("concat", Concat(), found, rest)
        return scope.add("relu", scope.defaults.activation(), out)

    def _rest(self, channels: int, responses: int) -> int:
        if responses >= channels:
            text = f"{responses} responses leave none of {channels} channels to be filled"
            raise ShapeError(text, "join")
        return channels - responses


def _unit(scope: Scope, name: str, norm: str, x: Ref, width: int) -> Ref:
    """Write a pointwise convolution and its norm, which are no place for other rules."""
    y = scope.add(name, Conv3d(width=width), x)
    return y if scope.defaults.norm is None else scope.add(norm, scope.defaults.norm, y)
