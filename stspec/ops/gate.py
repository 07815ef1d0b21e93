"""Operators that compare and weigh values: gates, averages, differences in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from stspec.ops.base import (
    Arg,
    Layer,
    Layout,
    Op,
    Reach,
    Shape,
    ShapeError,
    Site,
    Window,
    trunk,
)


class Gate(Op):
    """Gating by sigmoids: x * (sigmoid(y) + offset), or the sum of the sigmoids of several y.

    Squeeze and excitation has offset 0 (Hu et al., CVPR 2018); with 1 the input stands beside
    what is excited, with 0.5 that is centred, x + x * (sigmoid(y) - 0.5). A y of one channel, or
    of one position a frame, holds for all of them. Where y has two or more values for each frame,
    the second clip of frames behind the first, the mean of their sigmoids counts.
    """

    kind: ClassVar[str] = "gate"
    arity: ClassVar[int | None] = None

    offset: float = Field(default=0.0, description="added to the sigmoids")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return x's shape, which every y must fit."""
        x, *others = inputs
        _, frames, height, width = trunk(x, self.kind)
        for y in others:
            channels, clips, *maps = trunk(y, self.kind)
            fits = channels in (x.channels, 1) and maps in ([height, width], [1, 1])
            if not fits or clips % frames:
                raise ShapeError(f"cannot weigh {x} by {y}")
        return x

    def function(self, site: Site) -> str:
        """Return the product."""
        weight = " + ".join(self._sigmoid(site, i) for i in range(1, len(site.inputs)))
        if self.offset:
            sign = "+" if self.offset > 0 else "-"
            weight += f" {sign} {abs(self.offset)!r}"
        together = self.offset or len(site.inputs) > 2
        return f"{{0}} * ({weight})" if together else f"{{0}} * {weight}"

    def _sigmoid(self, site: Site, index: int) -> str:
        weight = f"torch.sigmoid({{{index}}})"
        clips = (site.inputs[index].frames or 1) // site.frames
        if clips > 1:
            axis = 0 if site.layout == "frames" else 2
            batch = "-1, " if site.layout == "frames" else ""
            weight = f"torch.unflatten({weight}, {axis}, ({batch}{clips}, {{frames}}))"
            weight += ".mean(1).flatten(0, 1)" if site.layout == "frames" else ".mean(2)"
        return weight


class Average(Op):
    """Average of several values, weighted or not."""

    kind: ClassVar[str] = "average"
    arity: ClassVar[int | None] = None

    weights: tuple[float, ...] | None = Field(default=None, description="one for each; equal ones")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the common shape."""
        for other in inputs[1:]:
            if other != inputs[0]:
                raise ShapeError(f"cannot average {inputs[0]} and {other}")
        if self.weights is not None and len(self.weights) != len(inputs):
            text = f"{len(self.weights)} weights for {len(inputs)} values"
            raise ShapeError(text, "weights")
        return inputs[0]

    def function(self, site: Site) -> str:
        """Return a weighted sum, or a sum divided by how many there are."""
        if self.weights is not None:
            return " + ".join(f"{weight!r} * {{{i}}}" for i, weight in enumerate(self.weights))
        return f"({' + '.join(f'{{{i}}}' for i in range(len(site.inputs)))}) / {len(site.inputs)}"


class TemporalDifference(Op):
    """How a frame's features differ from its neighbour's: moved[t + 1] - x[t], or t - 1.

    `moved` is often x behind a convolution that follows motion. The clip's last frame (its first,
    backwards) has no neighbour: its difference is zero. With both directions, the backward
    differences of the clip stand behind its forward ones: (N, C, 2 * T, H, W).
    """

    kind: ClassVar[str] = "temporal_difference"
    arity: ClassVar[int | None] = 2
    layout: ClassVar[Layout | None] = "frames"

    direction: Literal["forward", "backward", "both"] = Field(
        default="forward", description="from the next frame, from the last, or each"
    )

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the common shape, with twice the frames for both directions."""
        if inputs[0] != inputs[1]:
            raise ShapeError(f"cannot take the difference of {inputs[0]} and {inputs[1]}")
        c, t, h, w = trunk(inputs[0], self.kind)
        return Shape(c, 2 * t if self.direction == "both" else t, h, w)

    def window(self) -> Window:
        """Return one frame to one side."""
        return Window(time=Reach(3, 1, 1))

    def layer(self, site: Site) -> Layer | None:
        """Return the difference."""
        cls = {"forward": "Forward", "backward": "Backward", "both": "Both"}[self.direction]
        args = (Arg("frames", site.frames),)
        return Layer(f"{cls}Difference{'s' * (cls == 'Both')}", args, template="difference")


class Resize(Op):
    """The first value in the height and width of the second, by nearest neighbours."""

    kind: ClassVar[str] = "resize"
    arity: ClassVar[int | None] = 2
    layout: ClassVar[Layout | None] = "frames"

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the first value's channels and frames in the second's height and width."""
        x, like = inputs
        trunk(x, self.kind)
        trunk(like, self.kind)
        return Shape(x.channels, x.frames, like.height, like.width)

    def function(self, site: Site) -> str:
        """Return an interpolation."""
        return "F.interpolate({0}, {1}.shape[-2:])"
