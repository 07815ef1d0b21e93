"""Squeeze-and-excitation: channels weighed by what the whole clip holds of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from stspec.ops.base import Arg, Layer, Layout, Op, Param, Shape, Site, Window, trunk


def rounded(width: float, divisor: int) -> int:
    """Return the nearest multiple of a divisor, at least one and never under 0.9 of the width."""
    nearest = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * width else nearest


class SqueezeExcite(Op):
    """Channels times gates from their averages over the clip (Hu et al., CVPR 2018)."""

    kind: ClassVar[str] = "squeeze_excite"
    layout: ClassVar[Layout | None] = "clip"

    ratio: float = Field(default=0.0625, gt=0, le=64, description="inner channels per channel")
    divisor: int = Field(
        default=8, ge=1, le=1024, description="inner channels are rounded to multiples of it"
    )

    def inner(self, channels: int) -> int:
        """Return the channels between the two layers."""
        return rounded(channels * self.ratio, self.divisor)

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape."""
        trunk(inputs[0], self.kind)
        return inputs[0]

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return weights and biases of the two layers."""
        c, r = inputs[0].channels, self.inner(inputs[0].channels)
        return (
            Param("fc1.weight", (r, c, 1, 1, 1)),
            Param("fc1.bias", (r,), "bias"),
            Param("fc2.weight", (c, r, 1, 1, 1)),
            Param("fc2.bias", (c,), "bias"),
        )

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return one product per weight; pooling and scaling are none."""
        c = inputs[0].channels
        return {"convolution": 2 * c * self.inner(c)}

    def window(self) -> Window:
        """Return a look at the whole clip."""
        return Window(global_time=True, global_space=True)

    def layer(self, site: Site) -> Layer | None:
        """Return the module."""
        c = site.inputs[0].channels
        args = (
            Arg("channels", c, keyword=False),
            Arg("inner", self.inner(c), keyword=False),
        )
        return Layer("SqueezeExcite", args, template="squeeze_excite")
