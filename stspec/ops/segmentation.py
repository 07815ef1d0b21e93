"""Scores of every frame by temporal convolutions of growing dilation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from pydantic import Field, model_validator

from stspec.ops.base import Arg, Layer, Layout, Op, Param, Reach, Shape, ShapeError, Site, Window
from stspec.ops.recurrent import features_of


class TcnStage(Op):
    """Dilated residual convolutions along time, scores of every frame (MS-TCN, CVPR 2019).

    A stage (Farha and Gall) maps features to `channels`, passes layers whose dilation grows from
    1 by a factor, and classifies each frame. A stage that refines reads the scores of the one
    before, as probabilities.
    """

    kind: ClassVar[str] = "tcn_stage"
    layout: ClassVar[Layout | None] = "clip"

    width: int = Field(ge=1, description="output features: the classes")
    refines: bool = Field(default=False, description="whether scores arrive, not features")
    inner: int = Field(default=64, ge=1, description="channels of the layers")
    layers: int = Field(default=10, ge=1, le=64, description="layers")
    kernel: int = Field(default=3, ge=1, description="temporal kernel, odd")
    growth: int = Field(default=2, ge=1, description="factor of the dilation, layer by layer")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="in every layer")

    @model_validator(mode="after")
    def _keeps_the_frames(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError("an even kernel has no middle frame: every frame must be scored")
        if self.growth ** (self.layers - 1) > 2**40:
            raise ValueError("the dilation of the last layer exceeds any clip")
        return self

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the width."""
        return self.width

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return scores for every frame."""
        shape = features_of(inputs[0], self.kind)
        if self.refines and shape.channels != self.width:
            raise ShapeError(f"refines {self.width} scores but receives {shape.channels}", "width")
        return shape.with_channels(self.width)

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return weights and biases of the convolutions, (O, I, k)."""
        c, w = inputs[0].channels, self.inner
        shapes: dict[str, tuple[int, ...]] = {"conv_in": (w, c, 1)}
        for i in range(self.layers):
            shapes |= {f"layers.{i}.dilated": (w, w, self.kernel), f"layers.{i}.conv": (w, w, 1)}
        shapes["conv_out"] = (self.width, w, 1)
        return tuple(
            param
            for name, shape in shapes.items()
            for param in (
                Param(f"{name}.weight", shape),
                Param(f"{name}.bias", shape[:1], "bias"),
            )
        )

    def class_axis(self, param: str) -> int | None:
        """Return the first axis of the last convolution, and what a stage that refines reads."""
        if param.startswith("conv_out."):
            return 0
        return 1 if self.refines and param == "conv_in.weight" else None

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return one product per weight and frame; padding counts."""
        weights = sum(p.numel for p in self.params(inputs) if p.role == "weight")
        return {"convolution": weights * (inputs[0].frames or 1)}

    def window(self) -> Window:
        """Return how far the layers see together."""
        sides = sum(self.growth**i for i in range(self.layers)) * (self.kernel // 2)
        return Window(time=Reach(2 * sides + 1, 1, sides))

    def layer(self, site: Site) -> Layer | None:
        """Return the module."""
        features = (Arg("in_features", site.inputs[0].channels, keyword=False),)
        return Layer(
            "RefiningStage" if self.refines else "TemporalStage",
            (
                *(() if self.refines else features),
                Arg("out_features", self.width, keyword=False),
                Arg("channels", self.inner, 64),
                Arg("layers", self.layers, 10),
                Arg("kernel", self.kernel, 3),
                Arg("growth", self.growth, 2),
                Arg("dropout", self.dropout, 0.5),
            ),
            template="segmentation",
        )
