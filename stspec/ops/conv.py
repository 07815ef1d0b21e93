"""Convolutions: of frames (2D) and of clips (3D)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from stspec.ops.base import (
    Arg,
    Layer,
    Layout,
    Op,
    Param,
    Reach,
    Same,
    Shape,
    ShapeError,
    Site,
    Window,
    extent,
    trunk,
)

Groups = Annotated[int, Field(ge=1)] | Literal["depthwise"]
Padding = Annotated[int, Field(ge=0)] | Same

ONEDNN_ROWS = 20_480
"""Channels x frames x rows of one clip from which on PyTorch hands a dense conv3d to oneDNN."""


class Conv2d(Op):
    """Convolution of every frame by itself: weight (O, I/groups, k, k), or (..., k, kernel_w)."""

    kind: ClassVar[str] = "conv2d"
    layout: ClassVar[Layout | None] = "frames"

    width: int | None = Field(default=None, ge=1, description="output channels; as many as input")
    kernel: int = Field(default=1, ge=1, description="spatial kernel")
    kernel_w: int | None = Field(
        default=None, ge=1, description="its width, where that differs from its height"
    )
    stride: int = Field(default=1, ge=1, description="spatial stride")
    padding: Padding | None = Field(
        default=None, description="spatial padding, or same; kernel // 2"
    )
    groups: Groups = Field(default=1, description="channel groups, or depthwise")
    bias: bool = Field(default=False, description="whether a bias is added")
    dilation: int = Field(
        default=1, ge=1, le=1024, description="pixels from one tap of the kernel to the next"
    )

    @model_validator(mode="after")
    def _padded_by_number(self) -> Self:
        if self.padding == "same" and self.dilation > 1:
            raise ValueError("`padding: same` is of dense kernels; give the padding as a number")
        return self

    @property
    def time(self) -> Reach:
        """Return kernel, stride and padding in time."""
        return Reach()

    @property
    def sides(self) -> tuple[int, int]:
        """Return height and width of the spatial kernel."""
        return self.kernel, self.kernel if self.kernel_w is None else self.kernel_w

    @property
    def spatial(self) -> tuple[Reach, Reach]:
        """Return kernel, stride and padding in height and in width."""
        spans = (self.dilation * (side - 1) + 1 for side in self.sides)
        height, width = (_reach(span, self.stride, self.padding) for span in spans)
        return height, width

    @property
    def space(self) -> Reach:
        """Return kernel, stride and padding in space, of the larger side."""
        return max(self.spatial, key=lambda reach: reach.kernel)

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the width, or the input's where none is given."""
        return self.width or inputs[0]

    def group_count(self, channels: int) -> int:
        """Return the number of groups for an input of so many channels."""
        return channels if self.groups == "depthwise" else self.groups

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape that comes out, windows counted as PyTorch does."""
        c, t, h, w = trunk(inputs[0], self.kind)
        out = self.channels([c])
        groups = self.group_count(c)
        if c % groups or out % groups:
            raise ShapeError(f"{groups} groups do not divide {c} -> {out} channels", "groups")
        check_room("T", t, self.time, "kernel_t")
        height, width = self.spatial
        check_room("H", h, height, "kernel")
        check_room("W", w, width, "kernel" if self.kernel_w is None else "kernel_w")
        return Shape(out, extent(t, self.time), extent(h, height), extent(w, width))

    def kernel_sizes(self) -> tuple[int, ...]:
        """Return the kernel as it is stored in the weight."""
        return self.sides

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the weight and, if any, the bias."""
        c = inputs[0].channels
        out = self.channels([c])
        weight = Param("weight", (out, c // self.group_count(c), *self.kernel_sizes()))
        return (weight, Param("bias", (out,), "bias")) if self.bias else (weight,)

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return one product per weight and output position; padding counts, bias does not."""
        weight = self.params(inputs)[0]
        return {"convolution": weight.numel * self.infer(inputs).positions}

    def window(self) -> Window:
        """Return the kernel's extent."""
        return Window(self.time, self.space)

    def layer(self, site: Site) -> Layer | None:
        """Return the torch.nn convolution, or the one that pads by the input's size."""
        c = site.inputs[0].channels
        sizes = self.kernel_sizes()
        pads = tuple(pad for pad in self.paddings() if pad != "same")
        by_size = len(pads) < len(sizes)
        padding = Arg("padding", pads, (0,) * len(sizes))
        return Layer(
            f"{'Same' if by_size else 'nn.'}Conv{len(sizes)}d",
            (
                Arg("in_channels", c, keyword=False),
                Arg("out_channels", site.output.channels, keyword=False),
                Arg("kernel_size", sizes),
                Arg("stride", self.strides(), (1,) * len(sizes)),
                *(() if by_size else (padding,)),
                Arg("dilation", self.dilations(), (1,) * len(sizes)),
                Arg("groups", self.group_count(c), 1),
                Arg("bias", self.bias, True),
            ),
            template="same" if by_size else None,
        )

    def strides(self) -> tuple[int, ...]:
        """Return the strides in the order of the kernel's axes."""
        return (self.stride, self.stride)

    def dilations(self) -> tuple[int, ...]:
        """Return the dilations in the order of the kernel's axes."""
        return (self.dilation, self.dilation)

    def paddings(self) -> tuple[int | Same, ...]:
        """Return the paddings in the order of the kernel's axes."""
        height, width = self.spatial
        return (height.padding, width.padding)

    def describe(self) -> str:
        """Return the kernel in the field's notation, such as 3x3 or 3x1x1."""
        return "x".join(str(size) for size in self.kernel_sizes())


class Conv3d(Conv2d):
    """Convolution of a clip over time and space: weight (O, I/groups, t, k, k)."""

    kind: ClassVar[str] = "conv3d"
    layout: ClassVar[Layout | None] = "clip"

    kernel_t: int = Field(default=1, ge=1, description="temporal kernel")
    stride_t: int = Field(default=1, ge=1, description="temporal stride")
    padding_t: int | None = Field(default=None, ge=0, description="temporal padding; kernel_t // 2")

    @model_validator(mode="after")
    def _one_same(self) -> Self:
        if self.padding == "same" and self.padding_t is not None:
            raise ValueError("`padding: same` holds for time as well; leave `padding_t` out")
        return self

    @property
    def time(self) -> Reach:
        """Return kernel, stride and padding in time."""
        by_size = self.padding == "same"
        return _reach(self.kernel_t, self.stride_t, "same" if by_size else self.padding_t)

    def kernel_sizes(self) -> tuple[int, ...]:
        """Return the kernel as it is stored in the weight."""
        return (self.kernel_t, *self.sides)

    def strides(self) -> tuple[int, ...]:
        """Return the strides in the order of the kernel's axes."""
        return (self.stride_t, self.stride, self.stride)

    def dilations(self) -> tuple[int, ...]:
        """Return the dilations in the order of the kernel's axes; that of time is 1."""
        return (1, *super().dilations())

    def paddings(self) -> tuple[int | Same, ...]:
        """Return the paddings in the order of the kernel's axes."""
        return (self.time.padding, *super().paddings())

    def layer(self, site: Site) -> Layer | None:
        """Return the torch.nn convolution, or the one that runs it faster or pads by size."""
        layer = super().layer(site)
        if layer is None:
            return None
        if self._is_depthwise(site):
            return replace(layer, cls="DepthwiseConv3d", template="convolution", is_torch=True)
        return replace(layer, is_small=layer.template is None and self._is_small(site))

    def _is_small(self, site: Site) -> bool:
        """Tell whether PyTorch's choice (``ConvParams::use_mkldnn``) passes over oneDNN."""
        clip = site.inputs[0]
        dense = self.group_count(clip.channels) == 1
        rows = clip.channels * (clip.frames or 1) * (clip.height or 1)
        return dense and rows <= ONEDNN_ROWS and min(self.sides) <= 3

    def _is_depthwise(self, site: Site) -> bool:
        """Tell whether every channel is a group of its own, its windows never all padding."""
        channels = site.inputs[0].channels
        sides = zip(self.paddings(), self.kernel_sizes(), strict=True)
        apart = self.group_count(channels) == channels == site.output.channels > 1
        within = all(pad != "same" and pad < size for pad, size in sides)
        # Gradients of the module that runs it faster are those of dense kernels.
        return apart and within and self.dilation == 1 and math.prod(self.kernel_sizes()) > 1


def _reach(kernel: int, stride: int, padding: int | Same | None) -> Reach:
    return Reach.padded(kernel, stride, kernel // 2 if padding is None else padding)


def check_room(axis: str, size: int, reach: Reach, field: str) -> None:
    """Refuse a window that does not fit into its input.

    Raises:
        ShapeError: if the padded input is shorter than the kernel.
    """
    if reach.padding != "same" and size + 2 * reach.padding < reach.kernel:
        padded = f" + 2 x {reach.padding} of padding" if reach.padding else ""
        raise ShapeError(
            f"receives {axis} = {size}{padded} but its kernel needs {reach.kernel}", field
        )


def fan_in(shape: tuple[int, ...]) -> int:
    """Return the number of inputs of one output of a convolution's weight."""
    return math.prod(shape[1:])
