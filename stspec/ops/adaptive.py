"""Temporal operators whose own input decides what they do: offsets, gates, kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Self

from pydantic import Field, model_validator

from stspec.ops.base import (
    Arg,
    FrameAxis,
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
from stspec.ops.excitation import named, squeezed
from stspec.ops.norm import BatchNorm


class Interlace(Op):
    """TIN: groups of channels move in time by learnt offsets (Shao et al., AAAI 2020)."""

    kind: ClassVar[str] = "interlace"
    layout: ClassVar[Layout | None] = "frames"
    keeps_memory: ClassVar[bool] = False

    fold_div: int = Field(default=4, ge=1, description="1/fold_div of the channels move")
    offsets: int = Field(
        default=2, ge=1, description="offsets; each moves one group forth and another back"
    )
    reach: int = Field(default=2, ge=1, description="largest offset, in frames")

    def moved(self, channels: int) -> int:
        """Return the channels that move.

        Raises:
            ShapeError: if they cannot be divided into groups of one size.
        """
        moved = channels // self.fold_div
        groups = 2 * self.offsets
        if moved == 0 or moved % groups:
            text = f"{moved} of {channels} channels move, which {groups} groups cannot share"
            raise ShapeError(text, "fold_div")
        return moved

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape; frames beyond the clip are zero."""
        c, _, _, _ = trunk(inputs[0], self.kind)
        self.moved(c)
        return inputs[0]

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return what makes the offsets, of all frames at once, and the scales."""
        c, t = self.moved(inputs[0].channels), inputs[0].frames or 1
        given, read = FrameAxis(0), FrameAxis(1, reads=True)
        layers: tuple[tuple[str, tuple[int, ...], tuple[FrameAxis, ...]], ...] = (
            ("offset_conv", (1, c, 3), ()),
            ("offset_fc1", (t, t), (given, read)),
            ("offset_fc2", (self.offsets, t), (read,)),
            ("scale_conv", (self.offsets, c, 3), ()),
        )
        return tuple(
            param
            for name, shape, axes in layers
            for param in (
                Param(f"{name}.weight", shape, frames=axes),
                Param(f"{name}.bias", shape[:1], "bias", tuple(a for a in axes if not a.axis)),
            )
        )

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return those of the layers that make offsets and scales; moving costs none."""
        c, t = self.moved(inputs[0].channels), inputs[0].frames or 1
        convolution = 3 * c * (1 + self.offsets) * t
        return {"convolution": convolution, "linear": t * t + self.offsets * t}

    def window(self) -> Window:
        """Return a look at the whole clip, from which the offsets come."""
        return Window(global_time=True, global_space=True)

    def layer(self, site: Site) -> Layer | None:
        """Return the module."""
        return Layer(
            "TemporalInterlacing",
            (
                Arg("channels", site.output.channels, keyword=False),
                Arg("frames", site.frames),
                Arg("fold_div", self.fold_div, 4),
                Arg("offsets", self.offsets, 2),
                Arg("reach", self.reach, 2),
            ),
            template="interlace",
        )


class GateShift(Op):
    """GSM: gates say what of each half moves a frame on (Sudhakaran et al., CVPR 2020)."""

    kind: ClassVar[str] = "gate_shift"
    layout: ClassVar[Layout | None] = "frames"
    keeps_memory: ClassVar[bool] = False

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape; frames beyond the clip are zero."""
        c, _, _, _ = trunk(inputs[0], self.kind)
        if c % 4:
            raise ShapeError(f"{c} channels cannot be divided into two halves that interleave")
        return inputs[0]

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the 3x3x3 convolution that makes the gates, and the norm in front of it."""
        c = inputs[0].channels
        return (
            Param("weight", (2, c // 2, 3, 3, 3)),
            Param("bias", (2,), "bias"),
            *named("bn", BatchNorm().params([Shape(c)])),
        )

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return those of the convolution that makes the gates."""
        return {"convolution": 27 * inputs[0].numel}

    def window(self) -> Window:
        """Return the gates' window, of the frame itself and of its neighbours."""
        return Window(Reach(5, 1, 2), Reach(3, 1, 1))

    def layer(self, site: Site) -> Layer | None:
        """Return the module."""
        args = (
            Arg("channels", site.output.channels, keyword=False),
            Arg("frames", site.frames),
        )
        return Layer("GateShift", args, template="gate_shift")


class AdaptiveTemporalConv(Op):
    """TANet: gated channels, each convolved over time by a kernel of its own (Liu, ICCV 2021)."""

    kind: ClassVar[str] = "adaptive_temporal_conv"
    layout: ClassVar[Layout | None] = "frames"
    keeps_memory: ClassVar[bool] = False

    kernel: int = Field(default=3, ge=1, description="frames that are looked at; an odd number")
    expansion: int = Field(
        default=2, ge=1, description="inner features per frame where kernels are made (alpha)"
    )
    reduction: int = Field(
        default=4, ge=1, description="input channels per squeezed one where gates are made (beta)"
    )

    @model_validator(mode="after")
    def _keeps_the_frames(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError("an even kernel has no middle frame: every frame must be given back")
        return self

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape; frames beyond the clip are zero."""
        c, _, _, _ = trunk(inputs[0], self.kind)
        squeezed(c, self.reduction)
        return inputs[0]

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return what makes kernels, of all frames at once, and what makes gates."""
        c, t = inputs[0].channels, inputs[0].frames or 1
        r, inner = squeezed(c, self.reduction), t * self.expansion
        given = FrameAxis(0)
        norms = named("kernel_bn", BatchNorm().params([Shape(inner)]))
        return (
            Param("kernel_fc1.weight", (inner, t), frames=(given, FrameAxis(1, reads=True))),
            *(replace(p, frames=(given,)) if p.shape else p for p in norms),
            Param("kernel_fc2.weight", (self.kernel, inner), frames=(FrameAxis(1, reads=True),)),
            Param("gate_conv1.weight", (r, c, self.kernel)),
            *named("gate_bn", BatchNorm().params([Shape(r)])),
            Param("gate_conv2.weight", (c, r, 1)),
        )

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return the layers that make kernels and gates, and the convolution by the kernels."""
        c, t = inputs[0].channels, inputs[0].frames or 1
        r, inner = squeezed(c, self.reduction), t * self.expansion
        gates = (self.kernel + 1) * c * r * t
        return {
            "convolution": gates + self.kernel * inputs[0].numel,
            "linear": c * inner * (t + self.kernel),
        }

    def window(self) -> Window:
        """Return a look at the whole clip, from which the kernels come."""
        return Window(global_time=True, global_space=True)

    def layer(self, site: Site) -> Layer | None:
        """Return the module."""
        return Layer(
            "AdaptiveTemporalConv",
            (
                Arg("channels", site.output.channels, keyword=False),
                Arg("frames", site.frames),
                Arg("kernel", self.kernel, 3),
                Arg("expansion", self.expansion, 2),
                Arg("reduction", self.reduction, 4),
            ),
            template="adaptive",
        )
