"""Operators of grouped convolutions: channels interleaved, and a maximum of neighbouring frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from stspec.ops.base import Op, Reach, Shape, ShapeError, Site, Window, trunk


class ChannelShuffle(Op):
    """Interleaves the channels of groups (Zhang et al., ShuffleNet, CVPR 2018).

    The channels may stand in several parts in a row, each of which is shuffled by itself.
    """

    kind: ClassVar[str] = "channel_shuffle"
    keeps_memory: ClassVar[bool] = False

    groups: int = Field(ge=1, description="groups of a part")
    parts: int = Field(default=1, ge=1, description="parts that are shuffled by themselves")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape."""
        c, _, _, _ = trunk(inputs[0], self.kind)
        if c % (self.groups * self.parts):
            text = f"{c} channels cannot be divided into {self.parts} x {self.groups} groups"
            raise ShapeError(text, "groups")
        return inputs[0]

    def function(self, site: Site) -> str:
        """Return a transposition of groups and their channels."""
        if self.parts == 1:
            return f"torch.unflatten({{0}}, 1, ({self.groups}, -1)).transpose(1, 2).flatten(1, 2)"
        sizes = f"({self.parts}, {self.groups}, -1)"
        return f"torch.unflatten({{0}}, 1, {sizes}).transpose(2, 3).flatten(1, 3)"


class PairMax(Op):
    """Maximum of a frame and the one before it; the first frame has the second's."""

    kind: ClassVar[str] = "pair_max"
    layout = "clip"

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape."""
        _, t, _, _ = trunk(inputs[0], self.kind)
        if t < 2:
            raise ShapeError(f"receives T = {t} but compares two frames")
        return inputs[0]

    def window(self) -> Window:
        """Return the two frames."""
        return Window(time=Reach(2, 1, 1))

    def function(self, site: Site) -> str:
        """Return the maximum of the clip and itself, moved by a frame."""
        return "torch.maximum({0}, torch.cat([{0}[:, :, 1:2], {0}[:, :, :-1]], dim=2))"
