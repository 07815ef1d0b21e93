"""Operators that join several values, take them apart, or make them fit to be joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from stspec.ops.base import Arg, Layer, Op, Shape, ShapeError, Site, trunk


class Add(Op):
    """Element-wise sum, as at the end of a residual block."""

    kind: ClassVar[str] = "add"
    arity: ClassVar[int | None] = 2

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the common shape."""
        if inputs[0] != inputs[1]:
            raise ShapeError(f"cannot add {inputs[0]} and {inputs[1]}")
        return inputs[0]

    def function(self, site: Site) -> str:
        """Return a sum, in place where nothing else reads its first term."""
        return "{0}.add_({1})" if site.inplace else "{0} + {1}"


class Concat(Op):
    """Concatenation of channels, as at the end of an Inception module."""

    kind: ClassVar[str] = "concat"
    arity: ClassVar[int | None] = None

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the sum of the inputs' channels."""
        return sum(inputs)

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the common axes with the channels added up."""
        first = inputs[0]
        for other in inputs[1:]:
            if other.with_channels(first.channels) != first:
                raise ShapeError(f"cannot concatenate {first} and {other}")
        return first.with_channels(sum(shape.channels for shape in inputs))

    def function(self, site: Site) -> str:
        """Return torch.cat along the channels."""
        values = ", ".join(f"{{{i}}}" for i in range(len(site.inputs)))
        # Features of frames are (N, T, C) where frames stand apart.
        last = not site.output.is_trunk and site.output.frames and site.layout == "clip"
        return f"torch.cat([{values}], dim={2 if last else 1})"


class Chunk(Op):
    """One of several equal parts of the channels."""

    kind: ClassVar[str] = "chunk"
    keeps_memory: ClassVar[bool] = False

    parts: int = Field(ge=1, description="into how many the channels are split")
    index: int = Field(ge=0, description="which of them, from 0")

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the channels of a part."""
        return inputs[0] // self.parts

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the part's shape."""
        x = inputs[0]
        if x.channels % self.parts:
            raise ShapeError(f"cannot split {x.channels} channels into {self.parts} parts", "parts")
        if self.index >= self.parts:
            raise ShapeError(f"there is no part {self.index} of {self.parts}", "index")
        return x.with_channels(x.channels // self.parts)

    def function(self, site: Site) -> str:
        """Return a view of the channels."""
        return f"{{0}}.chunk({self.parts}, 1)[{self.index}]"


class PadChannels(Op):
    """Channels of zeros behind those that arrive (He et al., CVPR 2016, shortcut A)."""

    kind: ClassVar[str] = "pad_channels"

    width: int = Field(ge=1, description="output channels")

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the width."""
        return self.width

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same positions with more channels."""
        trunk(inputs[0], self.kind)
        if inputs[0].channels > self.width:
            raise ShapeError(f"cannot pad {inputs[0].channels} channels to {self.width}", "width")
        return inputs[0].with_channels(self.width)

    def layer(self, site: Site) -> Layer | None:
        """Return a module of templates."""
        return Layer(
            "PadChannels", (Arg("width", self.width, keyword=False),), template="pad_channels"
        )
