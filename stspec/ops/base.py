"""What an operator must say of itself: fields, shapes, parameters, cost, reach, PyTorch layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Layout = Literal["frames", "clip"]
"""How a trunk value lies in memory when it runs.

``frames`` is (N*T, C, H, W), ``clip`` is (N, C, T, H, W). In channels-last memory the two are
views of each other. It is an attribute of the emitted code and no part of a model's meaning.
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """A value over named axes, batch left out.

    A trunk value has channels, frames, height and width; features have channels and frames;
    scores have channels alone.
    """

    channels: int
    frames: int | None = None
    height: int | None = None
    width: int | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the sizes of the axes that exist, in the order (C, T, H, W)."""
        every = (self.channels, self.frames, self.height, self.width)
        return tuple(size for size in every if size is not None)

    @property
    def dims(self) -> tuple[int, ...]:
        """Return the sizes in the order of a model's tensors: (C, T, H, W), features (T, C)."""
        return self.sizes if self.is_trunk else self.sizes[::-1]

    @property
    def numel(self) -> int:
        """Return the number of elements of one sample."""
        return math.prod(self.sizes)

    @property
    def positions(self) -> int:
        """Return the number of elements of one channel of one sample."""
        return math.prod(self.sizes[1:])

    @property
    def is_trunk(self) -> bool:
        """Tell whether the value still has its spatial axes."""
        return self.height is not None

    def with_channels(self, channels: int) -> Shape:
        """Return the same axes with another number of channels."""
        return replace(self, channels=channels)

    def __str__(self) -> str:
        return "(N, " + ", ".join(str(size) for size in self.sizes) + ")"


class ShapeError(ValueError):
    """An operator cannot take this value. ``field`` names the setting that conflicts."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class FrameAxis:
    """An axis of a parameter along which the clip's frames run, `inner` entries to each.

    Where frames are read, products with them are summed; else each entry gives something.
    """

    axis: int
    reads: bool = False
    inner: int = 1


@dataclass(frozen=True, slots=True)
class Param:
    """One entry of the state dict that an operator owns. Buffers are not learnt."""

    name: str
    shape: tuple[int, ...]
    role: Literal["weight", "bias", "scale", "shift", "buffer"] = "weight"
    frames: tuple[FrameAxis, ...] = ()
    """Axes by which it depends on the number of frames."""

    @property
    def numel(self) -> int:
        """Return the number of elements."""
        return math.prod(self.shape)


Same = Literal["same"]
"""Padding of which the input's size decides, as TensorFlow computes it: ceil(size / stride)
windows fit, and where the two sides cannot be equal, the one behind gets more."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Kernel, stride and padding along one axis, from which receptive fields follow."""

    kernel: int = 1
    stride: int = 1
    padding: int | Same = 0

    @classmethod
    def padded(cls, kernel: int, stride: int, padding: int | Same) -> Reach:
        """Return a reach whose padding is a number wherever the input's size says nothing."""
        if padding == "same" and stride == 1 and kernel % 2:
            padding = kernel // 2
        return cls(kernel, stride, padding)


@dataclass(frozen=True, slots=True)
class Window:
    """How far an operator looks in time and in space. ``global_`` axes are looked at whole."""

    time: Reach = Reach()
    space: Reach = Reach()
    global_time: bool = False
    global_space: bool = False


Value = int | float | bool | str | None | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument of a layer's constructor. It is not written where it has its default."""

    name: str
    value: Value
    default: Value | Literal["required"] = "required"
    keyword: bool = True


@dataclass(frozen=True, slots=True)
class Layer:
    """A constructor call: a class of torch.nn (``nn.Conv2d``) or of ``templates/modules``."""

    cls: str
    args: tuple[Arg, ...] = ()
    template: str | None = None
    """The file of ``templates/modules`` that defines the class."""
    init: tuple[str, ...] = ()
    """Statements that follow the construction; ``{0}`` stands for the attribute."""
    is_torch: bool = False
    """Whether a class of a template takes what its class of ``torch.nn`` does: one number for
    equal axes, and the initialisation."""
    is_small: bool = False
    """Whether one clip is so small that PyTorch leaves the layer to an implementation slower than
    oneDNN's."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where an operator stands when it is written as code."""

    inputs: tuple[Shape, ...]
    output: Shape
    layout: Layout
    inplace: bool = False

    @property
    def frames(self) -> int:
        """Return the number of frames that arrive."""
        return self.inputs[0].frames or 1


FROZEN = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
"""How every declaration is validated: no unknown fields, no silent conversions."""


class Op(BaseModel):
    """Base of every operator. Subclasses are frozen values: their fields are what YAML may say."""

    model_config = FROZEN

    kind: ClassVar[str]
    """The operator's name in YAML."""
    arity: ClassVar[int | None] = 1
    """Number of inputs; None for any number."""
    layout: ClassVar[Layout | None] = None
    """The layout that its PyTorch module works on; None where it takes either."""
    follows: ClassVar[bool] = False
    """Whether the field writes it around what it follows: relu(bn(conv(x)))."""
    channel_fields: ClassVar[tuple[str, ...]] = ("width",)
    """Fields that count channels, which a backbone's width factor scales."""
    keeps_memory: ClassVar[bool] = True
    """Whether an activation that follows may overwrite its result, which is new memory that its own
    backward pass does not read."""

    is_silent: ClassVar[bool] = False
    """Whether it makes a network another method's, and no weights tell that it is there."""

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the number of channels that come out, given those that go in."""
        return inputs[0]

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape that comes out.

        Raises:
            ShapeError: if the operator cannot take these shapes.
        """
        return inputs[0].with_channels(self.channels([shape.channels for shape in inputs]))

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the operator's own state-dict entries, in the module's order."""
        return ()

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return multiply-accumulates of one sample by class: convolution, linear, matmul."""
        return {}

    def window(self) -> Window:
        """Return how far the operator looks in time and space."""
        return Window()

    def layer(self, site: Site) -> Layer | None:
        """Return the module to construct, or None where the operator is a plain function."""
        return None

    def function(self, site: Site) -> str:
        """Return the expression of an operator without module.

        ``{0}`` stands for the first input, ``{frames}`` for the number of frames that arrive.
        """
        raise TypeError(f"{self.kind} is a module")

    def result(self) -> str:
        """Return what follows the call of a module that gives more than one tensor: ``[0]``."""
        return ""

    def class_axis(self, param: str) -> int | None:
        """Return which axis of a parameter is the classes, in a classifier; None where none is."""
        return 0

    def settings(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, for people to read."""
        return self.model_dump(exclude_defaults=True)

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the operator's documentation."""
        return (cls.__doc__ or cls.kind).strip().splitlines()[0]


def extent(size: int, reach: Reach, ceil_mode: bool = False) -> int:
    """Return how many windows fit along an axis, as PyTorch counts them; below 1 none fits."""
    if reach.padding == "same":
        return -(-size // reach.stride)
    room = size + 2 * reach.padding - reach.kernel
    if not ceil_mode:
        return room // reach.stride + 1
    count = -(-room // reach.stride) + 1
    # A window that would start in the padding behind the input is left out.
    if (count - 1) * reach.stride >= size + reach.padding:
        count -= 1
    return count


def trunk(shape: Shape, kind: str) -> tuple[int, int, int, int]:
    """Return (C, T, H, W) of a trunk value.

    Raises:
        ShapeError: if the value has lost its spatial axes.
    """
    if shape.frames is None or shape.height is None or shape.width is None:
        raise ShapeError(f"{kind} needs (N, C, T, H, W) but receives {shape}")
    return shape.channels, shape.frames, shape.height, shape.width
