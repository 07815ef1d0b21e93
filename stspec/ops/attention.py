"""Attention over all positions of a clip, the core of a non-local block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from stspec.ops.base import Arg, Layer, Layout, Op, Param, Shape, ShapeError, Site, Window, trunk


class Attention(Op):
    """Base: joins theta (N, C, T, H, W) with phi and g (N, C, T', H', W').

    In groups, the clip is cut into as many runs of neighbouring frames, each a clip by itself.
    """

    arity: ClassVar[int | None] = 3
    layout: ClassVar[Layout | None] = "frames"
    module: ClassVar[str]

    groups: int = Field(default=1, ge=1, description="runs of frames, each attended by itself")

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the channels of g."""
        return inputs[2]

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return theta's positions with g's channels."""
        theta, phi, g = inputs
        for shape in inputs:
            trunk(shape, self.kind)
        if theta.channels != phi.channels:
            raise ShapeError(f"theta has {theta.channels} channels, phi {phi.channels}")
        if phi.positions != g.positions:
            raise ShapeError(f"phi has {phi.positions} positions, g {g.positions}")
        for shape in (theta, phi):
            if (shape.frames or 1) % self.groups:
                message = f"receives T = {shape.frames}, not of {self.groups} groups"
                raise ShapeError(message, "groups")
        return theta.with_channels(g.channels)

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return the two products over all pairs of positions."""
        theta, phi, g = inputs
        pairs = theta.positions * phi.positions // self.groups
        return {"matmul": pairs * (theta.channels + g.channels)}

    def window(self) -> Window:
        """Return a look at the whole clip."""
        return Window(global_time=True, global_space=True)

    def layer(self, site: Site) -> Layer | None:
        """Return the attention's module."""
        return Layer(self.module, self.spans(site), template="attention")

    def spans(self, site: Site) -> tuple[Arg, ...]:
        """Return the frames that are attended at once, and those looked at where they differ."""
        frames, keys = ((shape.frames or 1) // self.groups for shape in site.inputs[:2])
        own = (Arg("key_frames", keys),) if keys != frames else ()
        return (Arg("frames", frames), *own)


class SoftmaxAttention(Attention):
    """Weights by softmax of scaled products (embedded Gaussian and Gaussian)."""

    kind: ClassVar[str] = "softmax_attention"
    module: ClassVar[str] = "SoftmaxAttention"

    scale: float = Field(default=1.0, gt=0, description="factor in front of the softmax")

    def layer(self, site: Site) -> Layer | None:
        """Return the attention's module."""
        args = (*self.spans(site), Arg("scale", self.scale, 1.0))
        return Layer(self.module, args, template="attention")


class DotProductAttention(Attention):
    """Weights by products divided by the number of positions."""

    kind: ClassVar[str] = "dot_product_attention"
    module: ClassVar[str] = "DotProductAttention"


class ConcatenationAttention(Attention):
    """Weights by ReLU of a projection of each pair, divided by the number of positions."""

    kind: ClassVar[str] = "concatenation_attention"
    module: ClassVar[str] = "ConcatenationAttention"

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the projection of a pair to a number."""
        return (Param("weight", (2 * inputs[0].channels,)),)

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return the projection as a convolution over pairs, and the product with g."""
        theta, phi, g = inputs
        pairs = theta.positions * phi.positions // self.groups
        return {"convolution": pairs * 2 * theta.channels, "matmul": pairs * g.channels}

    def layer(self, site: Site) -> Layer | None:
        """Return the attention's module."""
        channels = Arg("channels", site.inputs[0].channels, keyword=False)
        args = (channels, *self.spans(site))
        return Layer(self.module, args, template="attention")
