"""The operator of clips that does to every frame what an operator of frames does."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stspec.ops.base import Op
from stspec.ops.conv import Conv2d, Conv3d
from stspec.ops.pool import AvgPool2d, AvgPool3d, MaxPool2d, MaxPool3d

_TWINS: dict[type[Op], type[Op]] = {
    Conv2d: Conv3d,
    MaxPool2d: MaxPool3d,
    AvgPool2d: AvgPool3d,
}


class ClipTwin(Op):
    """What ``to: 3d`` means: a convolution or pooling of clips in place of one of frames."""

    kind: ClassVar[str] = "3d"

    kernel_t: int = Field(default=1, ge=1, description="temporal kernel")
    stride_t: int = Field(default=1, ge=1, description="temporal stride")


def clip_twin(op: Op) -> type[Op]:
    """Return the operator of clips; one that works on clips already stays what it is."""
    return _TWINS.get(type(op), type(op))
