"""Recurrent networks over the frames of a clip: of features, and of maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from stspec.ops.base import (
    Arg,
    Layer,
    Layout,
    Op,
    Param,
    Shape,
    ShapeError,
    Site,
    Window,
    trunk,
)

Cell = Literal["tanh", "relu", "lstm", "gru"]

GATES: dict[Cell, int] = {"tanh": 1, "relu": 1, "lstm": 4, "gru": 3}
MODULES: dict[Cell, str] = {"tanh": "nn.RNN", "relu": "nn.RNN", "lstm": "nn.LSTM", "gru": "nn.GRU"}


class Recurrent(Op):
    """RNN, LSTM or GRU over frames, from a zero state; its output at every frame."""

    kind: ClassVar[str] = "recurrent"
    layout: ClassVar[Layout | None] = "clip"

    cell: Cell = Field(default="lstm", description="tanh and relu are Elman networks")
    hidden: int = Field(default=256, ge=1, description="features of the state")
    layers: int = Field(default=1, ge=1, le=64, description="layers, each reading the one below")
    bidirectional: bool = Field(default=False, description="a second network reads backwards")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="between layers")

    @property
    def directions(self) -> int:
        """Return how many ways the frames are read."""
        return 2 if self.bidirectional else 1

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the features of a state, those of both directions side by side."""
        return self.hidden * self.directions

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return a state for every frame."""
        return features_of(inputs[0], self.kind).with_channels(self.hidden * self.directions)

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return torch's weights and both its biases, layer by layer, direction by direction."""
        found: list[Param] = []
        rows = GATES[self.cell] * self.hidden
        for layer in range(self.layers):
            arriving = self.hidden * self.directions if layer else inputs[0].channels
            for direction in ("", "_reverse")[: self.directions]:
                end = f"l{layer}{direction}"
                found += [
                    Param(f"weight_ih_{end}", (rows, arriving)),
                    Param(f"weight_hh_{end}", (rows, self.hidden)),
                    Param(f"bias_ih_{end}", (rows,), "bias"),
                    Param(f"bias_hh_{end}", (rows,), "bias"),
                ]
        return tuple(found)

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return one product per weight and frame; the first state, of zeros, counts as well."""
        weights = sum(p.numel for p in self.params(inputs) if p.role == "weight")
        return {"linear": weights * (inputs[0].frames or 1)}

    def window(self) -> Window:
        """Return a look at all frames."""
        return Window(global_time=True)

    def layer(self, site: Site) -> Layer | None:
        """Return nn.RNN, nn.LSTM or nn.GRU."""
        elman = (Arg("nonlinearity", self.cell, "tanh"),) if MODULES[self.cell] == "nn.RNN" else ()
        return Layer(
            MODULES[self.cell],
            (
                Arg("input_size", site.inputs[0].channels, keyword=False),
                Arg("hidden_size", self.hidden, keyword=False),
                Arg("num_layers", self.layers, 1),
                *elman,
                Arg("batch_first", True),
                # torch drops nothing out behind the last layer, and warns where there is one.
                Arg("dropout", self.dropout if self.layers > 1 else 0.0, 0.0),
                Arg("bidirectional", self.bidirectional, False),
            ),
        )

    def result(self) -> str:
        """Return the outputs and leave the states."""
        return "[0]"


class LastState(Op):
    """What a recurrent network has read to the end: (N, C, T) becomes (N, C)."""

    kind: ClassVar[str] = "last_state"
    layout: ClassVar[Layout | None] = "clip"
    keeps_memory: ClassVar[bool] = False

    bidirectional: bool = Field(
        default=False, description="the second half ends at the first frame, and comes first"
    )

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return channels alone."""
        shape = features_of(inputs[0], self.kind)
        if self.bidirectional and shape.channels % 2:
            raise ShapeError(f"{shape.channels} channels are not those of two directions")
        return Shape(shape.channels)

    def window(self) -> Window:
        """Return a look at all frames."""
        return Window(global_time=True)

    def function(self, site: Site) -> str:
        """Return the last frame, or the end of each direction."""
        if not self.bidirectional:
            return "{0}[:, -1]"
        half = site.output.channels // 2
        return f"torch.cat([{{0}}[:, 0, {half}:], {{0}}[:, -1, :{half}]], dim=1)"


class ConvLstm(Op):
    """LSTM of maps, whose products are convolutions (Shi et al., NeurIPS 2015), no peepholes."""

    kind: ClassVar[str] = "conv_lstm"
    layout: ClassVar[Layout | None] = "frames"

    hidden: int = Field(default=256, ge=1, description="channels of the state")
    kernel: int = Field(default=3, ge=1, description="spatial kernel, odd")
    bias: bool = Field(default=True, description="whether gates have a bias")

    @model_validator(mode="after")
    def _odd(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError("the kernel must be odd, so that a state has its input's size")
        return self

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the channels of the state."""
        return self.hidden

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return a state for every frame."""
        trunk(inputs[0], self.kind)
        return inputs[0].with_channels(self.hidden)

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the kernel over input and state, for gates in the order i, f, o, g."""
        rows = 4 * self.hidden
        kernel = (self.kernel, self.kernel)
        weight = Param("weight", (rows, inputs[0].channels + self.hidden, *kernel))
        return (weight, Param("bias", (rows,), "bias")) if self.bias else (weight,)

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return one product per weight and position; the first state, of zeros, counts as well."""
        return {"convolution": self.params(inputs)[0].numel * inputs[0].positions}

    def window(self) -> Window:
        """Return a look at all frames; in space the states reach farther with every frame."""
        return Window(global_time=True, global_space=True)

    def layer(self, site: Site) -> Layer | None:
        """Return the module."""
        return Layer(
            "ConvLSTM",
            (
                Arg("in_channels", site.inputs[0].channels, keyword=False),
                Arg("hidden", self.hidden, keyword=False),
                Arg("frames", site.frames),
                Arg("kernel", self.kernel, 3),
                Arg("bias", self.bias, True),
            ),
            template="conv_lstm",
        )


def features_of(shape: Shape, kind: str) -> Shape:
    """Return a shape that is known to be features of frames.

    Raises:
        ShapeError: if it has spatial axes, or no frames.
    """
    if shape.is_trunk or shape.frames is None:
        raise ShapeError(f"{kind} needs features (N, C, T) but receives {shape}")
    return shape
