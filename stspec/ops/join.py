"""Operators that join several values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from stspec.ops.base import Op, Shape, ShapeError, Site


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
        """Return a sum."""
        return "{0} + {1}"


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
        return f"torch.cat([{values}], dim=1)"
