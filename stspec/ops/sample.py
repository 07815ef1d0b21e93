"""Which frames and channels of a clip a pathway sees."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from stspec.ops.base import Op, Reach, Shape, ShapeError, Site, Window, trunk


class FrameSample(Op):
    """One frame of every n of a clip, such as the frames of a slow pathway.

    (N, C, T, H, W) to (N, C, T', H, W). `stride` takes frames start, start + n, ...; `linspace`
    takes T // n frames from the first to the last, as PySlowFast (Feichtenhofer et al., ICCV
    2019) does; `nearest` takes T // n frames by stride n, as nearest interpolation does.
    """

    kind: ClassVar[str] = "frame_sample"
    keeps_memory: ClassVar[bool] = False

    every: int = Field(default=1, ge=1, le=4096, description="one frame of so many")
    start: int = Field(default=0, ge=0, le=4095, description="first frame, counted from 0")
    rule: Literal["stride", "linspace", "nearest"] = Field(
        default="stride", description="every n-th, or T // n evenly spaced, or T // n by stride"
    )

    def frames(self, length: int) -> list[int]:
        """Return the indices of the frames taken from so many."""
        if self.rule == "stride":
            return list(range(self.start, length, self.every))
        count = length // self.every
        if self.rule == "nearest" or count == 1:
            return [i * self.every for i in range(count)]
        # PySlowFast truncates torch.linspace, whose halves are counted from either end in float32.
        last = length - 1
        step = _float32(last / (count - 1))
        first, rest = range(count // 2), range(count // 2, count)
        low = [int(_float32(step * i)) for i in first]
        return low + [int(_float32(last - step * (count - 1 - i))) for i in rest]

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape with fewer frames.

        Raises:
            ShapeError: if no frame is left.
        """
        shape = inputs[0]
        if shape.frames is None or not shape.is_trunk:
            raise ShapeError(f"{self.kind} needs (N, C, T, H, W) but receives {shape}")
        taken = len(self.frames(shape.frames))
        if not taken:
            raise ShapeError(f"receives T = {shape.frames} but takes one of {self.every}", "every")
        return Shape(shape.channels, taken, shape.height, shape.width)

    def window(self) -> Window:
        """Return the stride in time."""
        return Window(time=Reach(1, self.every))

    def function(self, site: Site) -> str:
        """Return a slice, or the frames by number."""
        taken = self._taken(site.frames)
        if site.layout == "clip":
            return f"{{0}}[:, :, {taken}]"
        return f"torch.unflatten({{0}}, 0, (-1, {{frames}}))[:, {taken}].flatten(0, 1)"

    def _taken(self, length: int) -> str:
        if self.rule == "linspace":
            taken = self.frames(length)
            few = len(taken) <= _MOST_NUMBERED
            return str(taken) if few else f"torch.linspace(0, {length - 1}, {len(taken)}).long()"
        stop = "" if self.rule == "stride" else str(length // self.every * self.every)
        start = str(self.start) if self.start else ""
        step = f":{self.every}" if self.every > 1 else ""
        return f"{start}:{stop}{step}"


_MOST_NUMBERED = 16
"""Frames that are written one by one; more are counted out as public code does."""


class FrameDifferences(Op):
    """Differences of neighbouring frames of every group of n, side by side as channels.

    (N, C, n * T, H, W) becomes (N, (n - 1) * C, T, H, W), the first difference's channels first.
    """

    kind: ClassVar[str] = "frame_differences"

    frames: int = Field(ge=2, le=64, description="neighbouring frames of a group (n)")

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the channels of all differences."""
        return (self.frames - 1) * inputs[0]

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return a frame for each group."""
        c, t, h, w = trunk(inputs[0], self.kind)
        if t % self.frames:
            raise ShapeError(f"receives T = {t}, no groups of {self.frames} frames", "frames")
        return Shape(self.channels([c]), t // self.frames, h, w)

    def window(self) -> Window:
        """Return the frames of a group."""
        return Window(time=Reach(self.frames, self.frames))

    def function(self, site: Site) -> str:
        """Return the differences along the frames of groups."""
        if site.layout == "frames":
            groups = f"torch.unflatten({{0}}, 0, (-1, {self.frames}))"
            return f"{groups}.diff(dim=1).flatten(1, 2)"
        groups = f"torch.unflatten({{0}}, 2, (-1, {self.frames}))"
        return f"{groups}.diff(dim=3).movedim(3, 1).flatten(1, 2)"


class FrameRepeat(Op):
    """Every frame several times in a row: (N, C, T, H, W) becomes (N, C, times * T, H, W)."""

    kind: ClassVar[str] = "frame_repeat"

    times: int = Field(default=2, ge=1, le=64, description="how often each frame stands")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape with more frames."""
        c, t, h, w = trunk(inputs[0], self.kind)
        return Shape(c, self.times * t, h, w)

    def function(self, site: Site) -> str:
        """Return the repetition along the axis that holds the frames."""
        return f"{{0}}.repeat_interleave({self.times}, {0 if site.layout == 'frames' else 2})"


def _float32(value: float) -> float:
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


class ChannelSlice(Op):
    """A range of channels, such as one of several frames or modalities that lie side by side."""

    kind: ClassVar[str] = "channel_slice"
    keeps_memory: ClassVar[bool] = False

    start: int = Field(default=0, ge=0, description="first channel")
    stop: int = Field(ge=1, description="the channel behind the last")

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the number of channels in the range."""
        return self.stop - self.start

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the shape with fewer channels.

        Raises:
            ShapeError: if there are not as many channels, or none is left.
        """
        if not 0 <= self.start < self.stop <= inputs[0].channels:
            text = f"receives {inputs[0].channels} channels but takes {self.start} to {self.stop}"
            raise ShapeError(text, "channels")
        return inputs[0].with_channels(self.stop - self.start)

    def function(self, site: Site) -> str:
        """Return a slice along the channels."""
        start = str(self.start) if self.start else ""
        return f"{{0}}[:, {start}:{self.stop}]"
