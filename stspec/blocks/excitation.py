"""Excitation along several paths at once (Wang et al., ACTION-Net, CVPR 2021)."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from stspec.blocks.base import Block
from stspec.graph import Ref, Scope
from stspec.ops.base import Op
from stspec.ops.excitation import ChannelGate, Excite, MotionGate, SpatiotemporalGate

Path = Literal["spatiotemporal", "channel", "motion"]


class Excitation(Block):
    """The sum of the input weighed by its positions, by its channels and by its motion."""

    kind: ClassVar[str] = "excitation"

    paths: list[Path] = Field(
        default=["spatiotemporal", "channel", "motion"],
        min_length=1,
        max_length=3,
        description="what weighs the input",
    )
    reduction: int = Field(default=16, ge=1, description="input channels per squeezed channel")

    @model_validator(mode="after")
    def _each_path_once(self) -> Self:
        if len(set(self.paths)) < len(self.paths):
            raise ValueError("each path is taken once")
        return self

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write a gate for each path and their product with the input."""
        gates = [scope.add(path, self._gate(path), x, value=path) for path in self.paths]
        return scope.add("excite", Excite(), x, *gates)

    def _gate(self, path: Path) -> Op:
        if path == "spatiotemporal":
            return SpatiotemporalGate()
        gate = ChannelGate if path == "channel" else MotionGate
        return gate(reduction=self.reduction)
