"""An operator of one's own: what the compiler must know of it. It never imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from stspec.ops.base import Arg, Layer, Layout, Op, Param, Reach, Shape, Site, Window


class FrameDifference(Op):
    """Adds a learnt share of what has changed since the last frame, channel by channel."""

    kind: ClassVar[str] = "frame_difference"
    layout: ClassVar[Layout | None] = "frames"

    share: float = Field(default=0.0, description="the share to begin with")

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the share of every channel."""
        return (Param("weight", (inputs[0].channels,)),)

    def window(self) -> Window:
        """Return one frame back."""
        return Window(time=Reach(kernel=2, padding=1))

    def layer(self, site: Site) -> Layer | None:
        """Return the module, which stands in the file beside this one."""
        return Layer(
            "FrameDifference",
            (
                Arg("channels", site.output.channels, keyword=False),
                Arg("frames", site.frames),
                Arg("share", self.share, 0.0),
            ),
            template=str(Path(__file__).with_name("frame_difference_module.py")),
        )
