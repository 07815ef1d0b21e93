"""Parts of a transformer encoder over the features of frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from stspec.ops.base import Arg, Layer, Layout, Op, Param, Shape, ShapeError, Site, Window
from stspec.ops.recurrent import features_of


class Embedding(Op):
    """Learnt positions and a segment, added to features; in front of them a class token.

    As BERT begins (Devlin et al., NAACL 2019): (N, C, T) becomes (N, C, T + 1), or keeps its
    length where the token is there already.
    """

    kind: ClassVar[str] = "embedding"
    layout: ClassVar[Layout | None] = "clip"

    positions: int = Field(default=512, ge=1, le=65536, description="positions that are learnt")
    token: bool = Field(default=True, description="whether a class token is put in front")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return features, with the token's."""
        shape = features_of(inputs[0], self.kind)
        length = (shape.frames or 1) + int(self.token)
        if length > self.positions:
            raise ShapeError(f"receives {length} positions and knows {self.positions}", "positions")
        return Shape(shape.channels, length)

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the token, the positions and the segment."""
        c = inputs[0].channels
        token = (Param("token", (c,), "shift"),) if self.token else ()
        return (*token, Param("positions", (self.positions, c)), Param("segment", (c,), "shift"))

    def layer(self, site: Site) -> Layer | None:
        """Return the module."""
        cls = "TokenEmbedding" if self.token else "Embedding"
        features = Arg("features", site.inputs[0].channels, keyword=False)
        return Layer(cls, (features, Arg("positions", self.positions)), template="transformer")


class LayerNorm(Op):
    """Normalisation of every frame's features by themselves (Ba et al., 2016)."""

    kind: ClassVar[str] = "layer_norm"
    layout: ClassVar[Layout | None] = "clip"
    follows: ClassVar[bool] = True

    eps: float = Field(default=1e-5, gt=0, description="added to the variance")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape."""
        return features_of(inputs[0], self.kind)

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return scale and shift."""
        c = (inputs[0].channels,)
        return (Param("weight", c, "scale"), Param("bias", c, "shift"))

    def layer(self, site: Site) -> Layer | None:
        """Return nn.LayerNorm."""
        features = Arg("normalized_shape", site.output.channels, keyword=False)
        return Layer("nn.LayerNorm", (features, Arg("eps", self.eps, 1e-5)))


class FrameAttention(Op):
    """Softmax attention between frames by several heads (Vaswani et al., NeurIPS 2017)."""

    kind: ClassVar[str] = "frame_attention"
    arity: ClassVar[int | None] = 3
    layout: ClassVar[Layout | None] = "clip"

    heads: int = Field(default=8, ge=1, description="heads that share the channels")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="of attention weights")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the queries' shape."""
        for shape in inputs:
            features_of(shape, self.kind)
            if shape != inputs[0]:
                raise ShapeError(f"cannot compare {inputs[0]} and {shape}")
        if inputs[0].channels % self.heads:
            raise ShapeError(
                f"{inputs[0].channels} channels cannot be divided among {self.heads} heads", "heads"
            )
        return inputs[0]

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return the two products over all pairs of frames."""
        frames = inputs[0].frames or 1
        return {"matmul": 2 * frames * frames * inputs[0].channels}

    def window(self) -> Window:
        """Return a look at all frames."""
        return Window(global_time=True)

    def layer(self, site: Site) -> Layer | None:
        """Return the module."""
        args = (Arg("heads", self.heads), Arg("dropout", self.dropout, 0.0))
        return Layer("FrameAttention", args, template="transformer")


class ClassToken(Op):
    """What a class token has gathered: (N, C, T) becomes (N, C), the first of the frames."""

    kind: ClassVar[str] = "class_token"
    layout: ClassVar[Layout | None] = "clip"
    keeps_memory: ClassVar[bool] = False

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return channels alone."""
        return Shape(features_of(inputs[0], self.kind).channels)

    def window(self) -> Window:
        """Return a look at all frames."""
        return Window(global_time=True)

    def function(self, site: Site) -> str:
        """Return the first frame."""
        return "{0}[:, 0]"
