"""Pooling over space, over space and time, and over time alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from stspec.ops.base import (
    Arg,
    Layer,
    Layout,
    Op,
    Reach,
    Same,
    Shape,
    ShapeError,
    Site,
    Window,
    extent,
    trunk,
)
from stspec.ops.conv import Padding, check_room

LARGEST = 2**31 - 1
"""PyTorch keeps kernels and strides of poolings in 32 bits."""


def check_counts(reach: Reach, field: str) -> None:
    """Refuse a window that PyTorch cannot count.

    Raises:
        ShapeError: if its kernel or its stride is larger than `LARGEST`.
    """
    for name, value in (("kernel", reach.kernel), ("stride", reach.stride)):
        if value > LARGEST:
            message = f"has a {name} of {value}, and PyTorch's poolings go up to {LARGEST}"
            raise ShapeError(message, field.replace("kernel", name))


class Pool2d(Op):
    """Base of the poolings of single frames."""

    layout: ClassVar[Layout | None] = "frames"
    module: ClassVar[str]
    averages: ClassVar[bool] = False

    kernel: int = Field(default=3, ge=1, description="spatial kernel")
    stride: int = Field(default=2, ge=1, description="spatial stride")
    padding: Padding = Field(default=0, description="spatial padding; same for maxima alone")
    ceil_mode: bool = Field(default=False, description="keep a last window that is cut off")

    @property
    def time(self) -> Reach:
        """Return kernel, stride and padding in time."""
        return Reach()

    @property
    def space(self) -> Reach:
        """Return kernel, stride and padding in space."""
        return Reach.padded(self.kernel, self.stride, self.padding)

    @model_validator(mode="after")
    def _padding_fits(self) -> Self:
        for reach in (self.space, self.time):
            if reach.padding != "same" and reach.padding * 2 > reach.kernel:
                raise ValueError("padding must be at most half of the kernel")
        if self.padding == "same" and self.ceil_mode:
            raise ValueError("`padding: same` rounds up already; leave `ceil_mode` out")
        if self.padding == "same" and self.averages:
            raise ValueError("an average counts its padding, which must be a number")
        return self

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape that comes out, windows counted as PyTorch does."""
        c, t, h, w = trunk(inputs[0], self.kind)
        sizes = []
        for axis, size, reach, field in (
            ("T", t, self.time, "kernel_t"),
            ("H", h, self.space, "kernel"),
            ("W", w, self.space, "kernel"),
        ):
            check_counts(reach, field)
            count = extent(size, reach, self.ceil_mode)
            if count < 1:
                check_room(axis, size, reach, field)
            sizes.append(count)
        return Shape(c, *sizes)

    def window(self) -> Window:
        """Return the kernel's extent."""
        return Window(self.time, self.space)

    def axes(self) -> tuple[Reach, ...]:
        """Return kernel, stride and padding of the pooled axes."""
        return (self.space,) * 2

    def layer(self, site: Site) -> Layer | None:
        """Return the torch.nn pooling, or the one that pads by the input's size."""
        kernel = tuple(axis.kernel for axis in self.axes())
        stride = tuple(axis.stride for axis in self.axes())
        pads = tuple(axis.padding for axis in self.axes() if axis.padding != "same")
        if len(pads) < len(kernel):
            args = (Arg("kernel_size", kernel), Arg("stride", stride))
            return Layer(self.module.replace("nn.", "Same"), args, template="same")
        return Layer(
            self.module,
            (
                Arg("kernel_size", kernel),
                Arg("stride", stride, kernel),
                Arg("padding", pads, (0,) * len(pads)),
                Arg("ceil_mode", self.ceil_mode, False),
            ),
        )


class MaxPool2d(Pool2d):
    """Maximum over a window of each frame."""

    kind: ClassVar[str] = "max_pool2d"
    module: ClassVar[str] = "nn.MaxPool2d"


class AvgPool2d(Pool2d):
    """Average over a window of each frame; padding counts as zeros."""

    kind: ClassVar[str] = "avg_pool2d"
    module: ClassVar[str] = "nn.AvgPool2d"
    averages: ClassVar[bool] = True


class Pool3d(Pool2d):
    """Base of the poolings over space and time."""

    layout: ClassVar[Layout | None] = "clip"

    kernel_t: int = Field(default=1, ge=1, description="temporal kernel")
    stride_t: int = Field(default=1, ge=1, description="temporal stride")
    padding_t: int = Field(default=0, ge=0, description="temporal padding")

    @property
    def time(self) -> Reach:
        """Return kernel, stride and padding in time."""
        padding: int | Same = "same" if self.padding == "same" else self.padding_t
        return Reach.padded(self.kernel_t, self.stride_t, padding)

    @model_validator(mode="after")
    def _one_same(self) -> Self:
        if self.padding == "same" and self.padding_t:
            raise ValueError("`padding: same` holds for time as well; leave `padding_t` out")
        return self

    def axes(self) -> tuple[Reach, ...]:
        """Return kernel, stride and padding of the pooled axes."""
        return (self.time, *super().axes())


class MaxPool3d(Pool3d):
    """Maximum over a window of space and time."""

    kind: ClassVar[str] = "max_pool3d"
    module: ClassVar[str] = "nn.MaxPool3d"


class AvgPool3d(Pool3d):
    """Average over a window of space and time; padding counts as zeros."""

    kind: ClassVar[str] = "avg_pool3d"
    module: ClassVar[str] = "nn.AvgPool3d"
    averages: ClassVar[bool] = True

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape that comes out; windows cut off in time are not offered."""
        if self.ceil_mode and self.stride_t > 1:
            raise ShapeError("cannot round up in space and stride in time at once", "ceil_mode")
        return super().infer(inputs)

    def layer(self, site: Site) -> Layer | None:
        """Return the separable form: torch's own is slow and knows no bfloat16 on CPU."""
        if self.time == Reach():
            return _average("SpatialAvgPool3d", self.space, ceil_mode=self.ceil_mode)
        if self.space == Reach():
            return _average("TemporalAvgPool3d", self.time)
        return _average("AvgPool3d", self.time, self.space, ceil_mode=self.ceil_mode)


def _average(cls: str, *axes: Reach, ceil_mode: bool = False) -> Layer:
    """Return an average pool of templates; one number each where it pools one kind of axis."""

    def value(name: str) -> int | tuple[int, ...]:
        numbers = tuple(getattr(axis, name) for axis in axes)
        return numbers if len(axes) > 1 else numbers[0]

    nothing = (0,) * len(axes) if len(axes) > 1 else 0
    args = (
        Arg("kernel_size", value("kernel")),
        Arg("stride", value("stride")),
        Arg("padding", value("padding"), nothing),
        *((Arg("ceil_mode", True),) if ceil_mode else ()),
    )
    return Layer(cls, args, template="avg_pool3d")


class TemporalPool(Op):
    """Base of the poolings along time alone."""

    of_clips: ClassVar[type[Pool3d]]
    """What does the same to clips, with a kernel of 1 in space."""
    of_frames: ClassVar[str]

    kernel: int = Field(default=3, ge=1, description="frames that are pooled")
    stride: int = Field(default=2, ge=1, description="temporal stride")
    padding: int | None = Field(default=None, ge=0, description="padding; (kernel - 1) // 2")

    @property
    def time(self) -> Reach:
        """Return kernel, stride and padding in time."""
        return Reach(self.kernel, self.stride, self.pad)

    @property
    def pad(self) -> int:
        """Return the temporal padding."""
        return (self.kernel - 1) // 2 if self.padding is None else self.padding

    @model_validator(mode="after")
    def _padding_fits(self) -> Self:
        if self.pad * 2 > self.kernel:
            raise ValueError("padding must be at most half of the kernel")
        return self

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the clip with fewer frames."""
        c, t, h, w = trunk(inputs[0], self.kind)
        check_counts(self.time, "kernel")
        check_room("T", t, self.time, "kernel")
        return Shape(c, extent(t, self.time), h, w)

    def window(self) -> Window:
        """Return the kernel's extent in time."""
        return Window(time=self.time)

    def layer(self, site: Site) -> Layer | None:
        """Return the pooling of clips, or its twin of frames."""
        k, s, p = self.kernel, self.stride, self.pad
        if site.layout == "clip":
            twin = self.of_clips(kernel=1, stride=1, kernel_t=k, stride_t=s, padding_t=p)
            return twin.layer(site)
        return Layer(
            self.of_frames,
            (
                Arg("frames", site.frames, keyword=False),
                Arg("kernel", k, 3),
                Arg("stride", s, 2),
                Arg("padding", p, 1),
            ),
            template="pool",
        )


class TemporalMaxPool(TemporalPool):
    """Maximum over neighbouring frames."""

    kind: ClassVar[str] = "temporal_max_pool"
    of_clips: ClassVar[type[Pool3d]] = MaxPool3d
    of_frames: ClassVar[str] = "TemporalMaxPool"


class TemporalAvgPool(TemporalPool):
    """Average over neighbouring frames; padding counts as zeros."""

    kind: ClassVar[str] = "temporal_avg_pool"
    of_clips: ClassVar[type[Pool3d]] = AvgPool3d
    of_frames: ClassVar[str] = "TemporalAvgPool"


class SpatialPool(Op):
    """Average or maximum of each frame's map: (N, C, T, H, W) becomes (N, C, T)."""

    kind: ClassVar[str] = "spatial_pool"

    reduce: Literal["average", "maximum"] = Field(default="average", description="how")
    keep: bool = Field(default=False, description="maps of one position stay: (N, C, T, 1, 1)")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return channels and frames, with maps of one position where they are kept."""
        c, t, _, _ = trunk(inputs[0], self.kind)
        return Shape(c, t, 1, 1) if self.keep else Shape(c, t)

    def window(self) -> Window:
        """Return a look at the whole map."""
        return Window(global_space=True)

    def function(self, site: Site) -> str:
        """Return a reduction; features of clips are put in the order (N, T, C)."""
        name = "mean" if self.reduce == "average" else "amax"
        if self.keep:
            return f"{{0}}.{name}((-2, -1), keepdim=True)"
        tail = ".transpose(1, 2)" if site.layout == "clip" else ""
        return f"{{0}}.{name}((-2, -1)){tail}"


class Consensus(Op):
    """Average or maximum over the clip's frames (segments): (N, C, T) becomes (N, C)."""

    kind: ClassVar[str] = "consensus"

    reduce: Literal["average", "maximum"] = Field(default="average", description="how")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return channels alone."""
        shape = inputs[0]
        if shape.is_trunk or shape.frames is None:
            raise ShapeError(f"consensus needs (N, C, T) but receives {shape}")
        return Shape(shape.channels)

    def window(self) -> Window:
        """Return a look at all frames."""
        return Window(global_time=True)

    def function(self, site: Site) -> str:
        """Return a reduction over the frame axis."""
        name = "mean" if self.reduce == "average" else "amax"
        if site.layout == "frames":
            return f"torch.unflatten({{0}}, 0, (-1, {{frames}})).{name}(1)"
        return f"torch.{name}({{0}}, 1)"


class GlobalPool(Op):
    """Average over time and space: (N, C, T, H, W) becomes (N, C)."""

    kind: ClassVar[str] = "global_pool"

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return channels alone."""
        c, _, _, _ = trunk(inputs[0], self.kind)
        return Shape(c)

    def window(self) -> Window:
        """Return a look at the whole clip."""
        return Window(global_time=True, global_space=True)

    def function(self, site: Site) -> str:
        """Return a reduction over all positions."""
        if site.layout == "clip":
            return "{0}.mean((-3, -2, -1))"
        if site.frames == 1:
            return "{0}.mean((-2, -1))"
        return "torch.unflatten({0}, 0, (-1, {frames})).mean((1, -2, -1))"
