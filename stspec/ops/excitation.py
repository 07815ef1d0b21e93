"""What excites features: a convolution of their mean, their change until the next frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

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


def squeezed(channels: int, reduction: int) -> int:
    """Return the channels that a squeeze leaves.

    Raises:
        ShapeError: if none are left.
    """
    if channels < reduction:
        raise ShapeError(f"cannot squeeze {channels} channels {reduction} times", "reduction")
    return channels // reduction


class MeanConv(Op):
    """A 3x3x3 convolution of the channels' mean: (N, C, T, H, W) becomes (N, 1, T, H, W)."""

    kind: ClassVar[str] = "mean_conv"
    layout: ClassVar[Layout | None] = "frames"

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the one channel."""
        return 1

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return one number for each position."""
        trunk(inputs[0], self.kind)
        return inputs[0].with_channels(1)

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the weight."""
        return (Param("weight", (1, 1, 3, 3, 3)),)

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return 27 products per position."""
        return {"convolution": 27 * inputs[0].positions}

    def window(self) -> Window:
        """Return the convolution's extent."""
        return Window(Reach(3, 1, 1), Reach(3, 1, 1))

    def layer(self, site: Site) -> Layer | None:
        """Return the convolution."""
        return Layer("MeanConv", (Arg("frames", site.frames),), template="excitation")


class MotionEnhancement(Op):
    """Weighs each channel by what changes until the next frame (Liu et al., TEINet, AAAI 2020)."""

    kind: ClassVar[str] = "motion_enhancement"
    layout: ClassVar[Layout | None] = "frames"
    keeps_memory: ClassVar[bool] = False

    reduction: int = Field(default=8, ge=1, description="input channels per squeezed channel")
    sigmoid: Literal["gate", "difference"] = Field(
        default="gate", description="of the gate itself, or of the difference that makes it"
    )

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape; the last frame stays as it is."""
        c, _, _, _ = trunk(inputs[0], self.kind)
        squeezed(c, self.reduction)
        return inputs[0]

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the squeezes of this frame and of the next, and the expansion."""
        c = inputs[0].channels
        r = squeezed(c, self.reduction)
        sizes = {"squeeze": (r, c), "squeeze_next": (r, c), "expand": (c, r)}
        return tuple(
            param
            for name, shape in sizes.items()
            for param in (
                Param(f"{name}.weight", shape),
                Param(f"{name}.bias", shape[:1], "bias"),
            )
        )

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return one product per weight and pair of frames."""
        c = inputs[0].channels
        return {"linear": 3 * c * squeezed(c, self.reduction) * ((inputs[0].frames or 1) - 1)}

    def window(self) -> Window:
        """Return this frame and the next, seen whole."""
        return Window(time=Reach(2, 1, 0), global_space=True)

    def layer(self, site: Site) -> Layer | None:
        """Return the module of this order."""
        bent = self.sigmoid == "difference"
        return Layer(
            "BoundedMotionEnhancement" if bent else "MotionEnhancement",
            (
                Arg("channels", site.output.channels, keyword=False),
                Arg("frames", site.frames),
                Arg("reduction", self.reduction, 8),
            ),
            template="excitation",
        )


def named(prefix: str, params: Sequence[Param]) -> tuple[Param, ...]:
    """Return the entries of a module that another owns."""
    return tuple(Param(f"{prefix}.{p.name}", p.shape, p.role) for p in params)
