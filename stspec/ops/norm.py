"""Normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from stspec.ops.base import Arg, Layer, Op, Param, Shape, Site, trunk


class BatchNorm(Op):
    """Batch normalisation over N, T, H and W (Ioffe and Szegedy, 2015)."""

    kind: ClassVar[str] = "batch_norm"
    follows: ClassVar[bool] = True

    eps: float = Field(default=1e-5, gt=0, description="added to the variance")
    momentum: float = Field(default=0.1, gt=0, le=1, description="weight of the newest batch")
    zero: bool = Field(default=False, description="whether its scale starts at zero")

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the same shape."""
        trunk(inputs[0], self.kind)
        return inputs[0]

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return scale, shift, running statistics and the batch counter."""
        c = (inputs[0].channels,)
        return (
            Param("weight", c, "scale"),
            Param("bias", c, "shift"),
            Param("running_mean", c, "buffer"),
            Param("running_var", c, "buffer"),
            Param("num_batches_tracked", (), "buffer"),
        )

    def layer(self, site: Site) -> Layer | None:
        """Return BatchNorm2d on frames, BatchNorm3d on clips."""
        return Layer(
            "nn.BatchNorm3d" if site.layout == "clip" else "nn.BatchNorm2d",
            (
                Arg("num_features", site.output.channels, keyword=False),
                Arg("eps", self.eps, 1e-5),
                Arg("momentum", self.momentum, 0.1),
            ),
            init=("nn.init.zeros_({0}.weight)",) if self.zero else (),
        )
