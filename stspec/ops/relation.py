"""Relations between frames: what ordered sets of frames mean together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from stspec.ops.base import (
    Arg,
    FrameAxis,
    Layer,
    Layout,
    Op,
    Param,
    Shape,
    ShapeError,
    Site,
    Window,
)
from stspec.ops.recurrent import features_of


def _each_once(scales: tuple[int, ...]) -> tuple[int, ...]:
    if not scales or len(set(scales)) < len(scales):
        raise ValueError("scales must be named, and each of them once")
    return scales


Scale = Annotated[int, Field(ge=1)]
Scales = Literal["all", "largest"] | Annotated[tuple[Scale, ...], AfterValidator(_each_once)]


class Relation(Op):
    """Scores of ordered sets of frames, summed (Zhou et al., TRN, ECCV 2018).

    A relation of scale s is s frames in their order, whose features stand in a row and pass a
    perceptron that all relations of its scale share. Of the many relations of a scale `count`
    are summed. Which ones is fixed, so that the same clip always has the same scores: those at
    even distances in the lexicographic list of all (``spread``), or its first ones (``first``);
    public code draws anew in every forward pass, evaluation included. With ``drawn`` each is
    drawn in training, from torch's generator as dropout is, and evaluation has the ``spread``
    ones.
    """

    kind: ClassVar[str] = "relation"
    layout: ClassVar[Layout | None] = "clip"

    width: int = Field(ge=1, description="output features: the classes")
    scales: Scales = Field(
        default="all", description="frames of a relation: all from T to 2, T alone, or these"
    )
    count: int = Field(default=3, ge=1, le=1024, description="relations of a scale")
    choose: Literal["spread", "first", "drawn"] = Field(
        default="spread", description="which ones: evenly spread, the first, drawn in training"
    )
    hidden: int = Field(default=256, ge=1, description="hidden features")
    layers: int = Field(default=1, ge=1, le=16, description="hidden layers")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="behind hidden layers")

    def scales_of(self, frames: int) -> tuple[int, ...]:
        """Return the scales for so many frames, the largest first where the clip says them."""
        if isinstance(self.scales, tuple):
            return self.scales
        if self.scales == "largest" or frames == 1:
            return (frames,)
        return tuple(range(frames, 1, -1))

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the scores."""
        frames = features_of(inputs[0], self.kind).frames or 1
        if max(self.scales_of(frames)) > frames:
            largest = max(self.scales_of(frames))
            raise ShapeError(f"receives T = {frames} but relates {largest} frames", "scales")
        return Shape(self.width)

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the width."""
        return self.width

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return weights and biases of every scale's perceptron."""
        found: list[Param] = []
        for i, scale in enumerate(self.scales_of(inputs[0].frames or 1)):
            for name, (out, into) in self._layers(scale * inputs[0].channels).items():
                # The first layer reads the frames of a relation, side by side.
                is_first = name == "mlp.1"
                read = FrameAxis(1, reads=True, inner=inputs[0].channels)
                axes = (read,) if is_first else ()
                found.append(Param(f"scales.{i}.{name}.weight", (out, into), frames=axes))
                found.append(Param(f"scales.{i}.{name}.bias", (out,), "bias"))
        return tuple(found)

    def _layers(self, features: int) -> dict[str, tuple[int, int]]:
        """Return outputs and inputs of a perceptron's linear layers by name."""
        widths = [features, *[self.hidden] * self.layers, self.width]
        return {f"mlp.{1 + 3 * i}": (out, into) for i, (into, out) in enumerate(pairwise(widths))}

    def class_axis(self, param: str) -> int | None:
        """Return the first axis of a perceptron's last layer."""
        return 0 if f".mlp.{1 + 3 * self.layers}." in param else None

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return the products of every relation that is summed."""
        frames = inputs[0].frames or 1
        total = 0
        for scale in self.scales_of(frames):
            layers = self._layers(scale * inputs[0].channels).values()
            relations = min(self.count, math.comb(frames, scale))
            total += relations * sum(out * into for out, into in layers)
        return {"linear": total}

    def window(self) -> Window:
        """Return a look at all frames."""
        return Window(global_time=True)

    def layer(self, site: Site) -> Layer | None:
        """Return the module."""
        frames = site.frames
        return Layer(
            "DrawnRelations" if self.choose == "drawn" else "Relations",
            (
                Arg("in_features", site.inputs[0].channels, keyword=False),
                Arg("out_features", self.width, keyword=False),
                Arg("frames", frames),
                Arg("hidden", self.hidden),
                *((Arg("scales", self.scales_of(frames)),) if self.scales != "all" else ()),
                Arg("count", self.count, 3),
                *((Arg("first", True),) if self.choose == "first" else ()),
                Arg("layers", self.layers, 1),
                Arg("dropout", self.dropout, 0.0),
            ),
            template="relation",
        )
