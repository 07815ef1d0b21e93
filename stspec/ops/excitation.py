"""Excitation: features weighed by gates that they make of themselves."""

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
from stspec.ops.norm import BatchNorm


def squeezed(channels: int, reduction: int) -> int:
    """Return the channels that a squeeze leaves.

    Raises:
        ShapeError: if none are left.
    """
    if channels < reduction:
        raise ShapeError(f"cannot squeeze {channels} channels {reduction} times", "reduction")
    return channels // reduction


class SpatiotemporalGate(Op):
    """Gate (1, T, H, W): a convolution of the channels' mean, then sigmoid (Wang et al., 2021)."""

    kind: ClassVar[str] = "spatiotemporal_gate"
    layout: ClassVar[Layout | None] = "frames"

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the gate's one channel."""
        return 1

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return one number for each position."""
        trunk(inputs[0], self.kind)
        return inputs[0].with_channels(1)

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the weight of the 3x3x3 convolution."""
        return (Param("conv.weight", (1, 1, 3, 3, 3)),)

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return 27 products per position."""
        return {"convolution": 27 * inputs[0].positions}

    def window(self) -> Window:
        """Return the convolution's extent."""
        return Window(Reach(3, 1, 1), Reach(3, 1, 1))

    def layer(self, site: Site) -> Layer | None:
        """Return the gate."""
        return Layer("SpatiotemporalGate", (Arg("frames", site.frames),), template="excitation")


class PooledGate(Op):
    """Base of the gates (C, T, 1, 1), which squeeze channels and expand them again."""

    layout: ClassVar[Layout | None] = "frames"
    module: ClassVar[str]

    reduction: int = Field(default=16, ge=1, description="input channels per squeezed channel")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return one number for each channel and frame."""
        c, t, _, _ = trunk(inputs[0], self.kind)
        squeezed(c, self.reduction)
        return Shape(c, t, 1, 1)

    def inner(self, inputs: Sequence[Shape]) -> int:
        """Return the channels that the squeeze leaves."""
        return squeezed(inputs[0].channels, self.reduction)

    def layer(self, site: Site) -> Layer | None:
        """Return the gate."""
        return Layer(
            self.module,
            (
                Arg("channels", site.inputs[0].channels, keyword=False),
                Arg("frames", site.frames),
                Arg("reduction", self.reduction, 16),
            ),
            template="excitation",
        )


class ChannelGate(PooledGate):
    """Gate (C, T, 1, 1): squeeze, a convolution over three frames, expand (Wang et al., 2021)."""

    kind: ClassVar[str] = "channel_gate"
    module: ClassVar[str] = "ChannelGate"

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the weights of squeeze, temporal convolution and expansion."""
        c, r = inputs[0].channels, self.inner(inputs)
        return (
            Param("squeeze.weight", (r, c, 1, 1)),
            Param("conv.weight", (r, r, 3)),
            Param("expand.weight", (c, r, 1, 1)),
        )

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return one product per weight and frame."""
        weights = sum(param.numel for param in self.params(inputs))
        return {"convolution": weights * (inputs[0].frames or 1)}

    def window(self) -> Window:
        """Return three frames, each seen whole."""
        return Window(time=Reach(3, 1, 1), global_space=True)


class MotionGate(PooledGate):
    """Gate (C, T, 1, 1) of what changes until the next frame (Wang et al., 2021)."""

    kind: ClassVar[str] = "motion_gate"
    module: ClassVar[str] = "MotionGate"

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the weights of squeeze, norm, 3x3 convolution and expansion."""
        c, r = inputs[0].channels, self.inner(inputs)
        return (
            Param("squeeze.weight", (r, c, 1, 1)),
            *named("bn", BatchNorm().params([Shape(r)])),
            Param("conv.weight", (r, 1, 3, 3)),
            Param("expand.weight", (c, r, 1, 1)),
        )

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return squeeze and convolution at every position, and the expansion of every frame."""
        c, r, positions = inputs[0].channels, self.inner(inputs), inputs[0].positions
        return {"convolution": r * (c + 9) * positions + c * r * (inputs[0].frames or 1)}

    def window(self) -> Window:
        """Return this frame and the next, seen whole."""
        return Window(time=Reach(2, 1, 0), global_space=True)


class Excite(Op):
    """Joins a value with gates: x * (g + 1), summed over the gates."""

    kind: ClassVar[str] = "excite"
    arity: ClassVar[int | None] = None

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the value's shape, which every gate must fit."""
        x, *gates = inputs
        c, _, h, w = trunk(x, self.kind)
        for gate in gates:
            gc, t, gh, gw = trunk(gate, self.kind)
            if t != x.frames or gc not in (1, c) or (gh, gw) not in ((1, 1), (h, w)):
                raise ShapeError(f"the gate {gate} does not fit {x}")
        return x

    def function(self, site: Site) -> str:
        """Return the product with the sum of the gates, each of which lets the value through."""
        count = len(site.inputs) - 1
        gates = " + ".join(f"{{{i}}}" for i in range(1, count + 1))
        return f"{{0}} * ({gates} + {count})"


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
