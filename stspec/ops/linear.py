"""Layers of a head: linear classifier and dropout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from stspec.ops.base import Arg, Layer, Op, Param, Shape, ShapeError, Site


class Linear(Op):
    """Fully connected layer on the features of a frame or of a clip."""

    kind: ClassVar[str] = "linear"

    width: int = Field(ge=1, description="output features")
    bias: bool = Field(default=True, description="whether a bias is added")

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the width."""
        return self.width

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same frames with other features."""
        if inputs[0].is_trunk:
            raise ShapeError(f"linear needs pooled features but receives {inputs[0]}")
        return inputs[0].with_channels(self.width)

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the weight (O, I) and, if any, the bias."""
        weight = Param("weight", (self.width, inputs[0].channels))
        return (weight, Param("bias", (self.width,), "bias")) if self.bias else (weight,)

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return one product per weight and frame."""
        return {"linear": self.width * inputs[0].numel}

    def layer(self, site: Site) -> Layer | None:
        """Return nn.Linear."""
        return Layer(
            "nn.Linear",
            (
                Arg("in_features", site.inputs[0].channels, keyword=False),
                Arg("out_features", self.width, keyword=False),
                Arg("bias", self.bias, True),
            ),
        )


class Dropout(Op):
    """Dropout of features (Srivastava et al., 2014)."""

    kind: ClassVar[str] = "dropout"
    keeps_memory: ClassVar[bool] = False  # in evaluation it gives what it reads

    p: float = Field(default=0.5, ge=0, lt=1, description="share of features that are zeroed")

    def layer(self, site: Site) -> Layer | None:
        """Return nn.Dropout."""
        return Layer("nn.Dropout", (Arg("p", self.p, keyword=False),))
