"""Neighbouring frames of 2D features: TAM's blend, TSM's shift, temporal convolutions."""

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
    Reach,
    Shape,
    ShapeError,
    Site,
    Window,
    trunk,
)


class TemporalAggregation(Op):
    """TAM: a learnt blend of neighbouring frames, then ReLU (Fan et al., NeurIPS 2019)."""

    kind: ClassVar[str] = "tam"
    layout: ClassVar[Layout | None] = "frames"
    keeps_memory: ClassVar[bool] = False

    kernel: int = Field(default=3, ge=1, description="frames that are blended (b)")
    reduce: Literal["sum", "maximum"] = Field(default="sum", description="how they are joined")
    depthwise: bool = Field(default=True, description="one weight per channel and frame, or dense")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape; frames beyond the clip are zero."""
        trunk(inputs[0], self.kind)
        return inputs[0]

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the blend's weight (C, 1 or C, b, 1, 1), earliest frame first."""
        c = inputs[0].channels
        return (Param("weight", (c, 1 if self.depthwise else c, self.kernel, 1, 1)),)

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return one product per weight and position: b convolutions of kernel 1."""
        return {"convolution": self.params(inputs)[0].numel * inputs[0].positions}

    def window(self) -> Window:
        """Return the b frames."""
        return Window(time=Reach(self.kernel, 1, self.kernel // 2))

    def layer(self, site: Site) -> Layer | None:
        """Return the module of this blend's structure."""
        even = self.reduce == "sum" and self.kernel % 2 == 0
        parts = (
            "Even" if even else "",
            "" if self.depthwise else "Dense",
            "Max" if self.reduce == "maximum" else "",
        )
        return Layer(
            "".join(parts) + "TemporalAggregation",
            (
                Arg("channels", site.output.channels, keyword=False),
                Arg("frames", site.frames),
                Arg("kernel", self.kernel, "required" if even else 3),
            ),
            template="tam",
        )


class TemporalShift(Op):
    """TSM: shifts some channels by one frame, forth and back (Lin et al., ICCV 2019)."""

    kind: ClassVar[str] = "shift"
    layout: ClassVar[Layout | None] = "frames"
    keeps_memory: ClassVar[bool] = False
    is_silent: ClassVar[bool] = True

    fold_div: int = Field(default=8, ge=2, description="1/fold_div of the channels each way")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape; frames beyond the clip are zero."""
        c, _, _, _ = trunk(inputs[0], self.kind)
        if c < self.fold_div:
            raise ShapeError(
                f"{c} channels cannot be divided into {self.fold_div} parts", "fold_div"
            )
        return inputs[0]

    def window(self) -> Window:
        """Return one frame to each side."""
        return Window(time=Reach(3, 1, 1))

    def layer(self, site: Site) -> Layer | None:
        """Return the shift."""
        return Layer(
            "TemporalShift",
            (Arg("frames", site.frames), Arg("fold_div", self.fold_div, 8)),
            template="shift",
        )


class TemporalConv(Op):
    """Convolution over neighbouring frames, channel by channel or dense."""

    kind: ClassVar[str] = "temporal_conv"
    layout: ClassVar[Layout | None] = "frames"

    kernel: int = Field(default=3, ge=1, description="frames that are looked at; an odd number")
    depthwise: bool = Field(default=True, description="channel by channel, or dense")
    start: Literal["identity", "shift"] | None = Field(
        default=None,
        description="what it does at first: TSM's shift, or nothing; a dense one starts at random",
    )
    fold_div: int = Field(
        default=8, ge=2, description="1/fold_div of the channels are shifted each way at first"
    )

    @model_validator(mode="after")
    def _keeps_the_frames(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError("an even kernel has no middle frame: every frame must be given back")
        if self.start == "shift" and self.kernel == 1:
            raise ValueError("a kernel of 1 sees no neighbour to shift from")
        if self.start is not None and not self.depthwise:
            raise ValueError("a dense kernel starts at random: leave `start` out")
        return self

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape; frames beyond the clip are zero."""
        trunk(inputs[0], self.kind)
        return inputs[0]

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the weight (C, 1 or C, kernel, 1, 1), earliest frame first."""
        c = inputs[0].channels
        return (Param("weight", (c, 1 if self.depthwise else c, self.kernel, 1, 1)),)

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return one product per weight and position."""
        return {"convolution": self.params(inputs)[0].numel * inputs[0].positions}

    def window(self) -> Window:
        """Return the kernel's extent in time."""
        return Window(time=Reach(self.kernel, 1, self.kernel // 2))

    def layer(self, site: Site) -> Layer | None:
        """Return the convolution."""
        shifts = (Arg("fold_div", self.fold_div),) if self.start == "shift" else ()
        return Layer(
            "TemporalConv" if self.depthwise else "DenseTemporalConv",
            (
                Arg("channels", site.output.channels, keyword=False),
                Arg("frames", site.frames),
                Arg("kernel", self.kernel, 3),
                *shifts,
            ),
            template="tam",
        )
