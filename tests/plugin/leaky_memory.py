"""A user's operator that no paper has: what the compiler must know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from stspec.ops.base import Arg, Layer, Layout, Op, Param, Shape, ShapeError, Site, Window, trunk


class LeakyMemory(Op):
    """Adds a moving average over time that every channel forgets at its own, learnt pace."""

    kind: ClassVar[str] = "leaky_memory"
    layout: ClassVar[Layout | None] = "frames"
    keeps_memory: ClassVar[bool] = False

    half_life: float = Field(default=2.0, gt=0, description="frames until half is forgotten")
    start: Literal["zero", "first"] = Field(default="zero", description="memory at first")
    mix: bool = Field(default=False, description="mix the channels of what is remembered")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape; one frame has nothing to remember."""
        _, frames, _, _ = trunk(inputs[0], self.kind)
        if frames < 2:
            raise ShapeError("a clip of one frame has no past", "half_life")
        return inputs[0]

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return decay (C,), gain (C,), the buffer of clips seen, and the mixing kernel."""
        c = inputs[0].channels
        own = (Param("decay", (c,)), Param("gain", (c,), "scale"), Param("seen", (1,), "buffer"))
        return (*own, Param("mixing.weight", (c, c, 1, 1))) if self.mix else own

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return two per element for the average, and those of the mixing."""
        average = {"linear": 2 * inputs[0].numel}
        c, positions = inputs[0].channels, inputs[0].positions
        return average | ({"convolution": c * c * positions} if self.mix else {})

    def window(self) -> Window:
        """Return all of the clip."""
        return Window(global_time=True)

    def layer(self, site: Site) -> Layer | None:
        """Return the module, which stands in the file beside this one."""
        args = (
            Arg("channels", site.output.channels, keyword=False),
            Arg("frames", site.frames),
            Arg("half_life", self.half_life, 2.0),
            Arg("start", self.start, "zero"),
            Arg("mix", self.mix, False),
        )
        template = Path(__file__).with_name("leaky_memory_module.py")
        return Layer("LeakyMemory", args, template=str(template))
