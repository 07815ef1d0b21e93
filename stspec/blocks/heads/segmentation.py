"""A head that scores every frame."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from stspec.blocks.heads.base import CLASSIFIER, FeatureHead
from stspec.graph import Ref, Scope
from stspec.ops.base import Shape
from stspec.ops.join import Concat
from stspec.ops.segmentation import TcnStage


class TcnHead(FeatureHead):
    """Dilated temporal convolutions in stages, each refining scores of every frame (MS-TCN)."""

    kind: ClassVar[str] = "tcn"

    stages: int = Field(default=4, ge=1, le=64, description="stages; all but the first refine")
    layers: int = Field(default=10, ge=1, le=64, description="layers of a stage")
    inner: int = Field(default=64, ge=1, description="channels of the layers")
    kernel: int = Field(default=3, ge=1, description="temporal kernel, odd")
    growth: int = Field(default=2, ge=1, description="factor of the dilation, layer by layer")
    inner_dropout: float = Field(default=0.5, ge=0, lt=1, description="in every layer")
    scores: Literal["last", "every"] = Field(
        default="last", description="of the last stage, or of all in a row, for losses on each"
    )

    @model_validator(mode="after")
    def _keeps_the_frames(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError("an even kernel has no middle frame: every frame must be scored")
        if self.growth ** (self.layers - 1) > 2**40:
            raise ValueError("the dilation of the last layer exceeds any clip")
        return self

    def gives_scores(self, output: Shape) -> bool:
        """Tell whether every frame has its scores."""
        stages = self.stages if self.scores == "every" else 1
        return output == Shape(stages * self.classes, output.frames) and output.frames is not None

    def reason(self, scope: Scope, x: Ref) -> Ref:
        """Write the stages."""
        y, outs = x, []
        for i in range(self.stages):
            op = TcnStage(
                width=self.classes,
                refines=i > 0,
                inner=self.inner,
                layers=self.layers,
                kernel=self.kernel,
                growth=self.growth,
                dropout=self.inner_dropout,
            )
            y = scope.add(f"stage{i + 1}", op, y, slot="classifier", roles=CLASSIFIER)
            outs.append(y)
        if self.scores == "last" or len(outs) == 1:
            return y
        return scope.add("every_stage", Concat(), *outs)
