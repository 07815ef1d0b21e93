"""What all heads share."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stspec.blocks.base import Block
from stspec.graph import Ref, Scope
from stspec.ops.base import Op, Shape
from stspec.ops.conv import Conv2d
from stspec.ops.linear import Dropout, Linear
from stspec.ops.pool import SpatialPool

Reduce = Literal["average", "maximum"]
Width = Annotated[int, Field(ge=1)]


class Head(Block):
    """Base of all heads; the number of classes comes from the model."""

    several: ClassVar[bool] = False
    """Whether its `build` takes several values and joins them."""

    classes: int = Field(ge=1, description="number of classes")
    read: list[str] = Field(
        default_factory=list,
        max_length=16,
        description="pathways and layers of the trunk that it reads; the trunk's end",
    )

    def gives_scores(self, output: Shape) -> bool:
        """Tell whether a model's output is what this head should make: (N, classes)."""
        return output == Shape(self.classes)


class ReasoningHead(Head):
    """Base of the heads that reason over frames: maps or features, reduced to few channels."""

    dropout: float = Field(default=0.8, ge=0, lt=1, description="in front of the reduction")
    features: Width | Literal["none"] = Field(
        default=256, description="channels that frames are reduced to; none keeps them"
    )

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the reduction and the reasoning."""
        y = self.arriving(scope, x)
        if self.dropout:
            y = scope.add("dropout", Dropout(p=self.dropout), y)
        if self.features != "none":
            reduction = self.reduction(self.features)
            y = scope.add("reduce", reduction, y, slot="reduce")
        return self.reason(scope, y)

    def arriving(self, scope: Scope, x: Ref) -> Ref:
        """Return what the head reads."""
        return x

    def reduction(self, width: int) -> Op:
        """Return the layer that reduces channels."""
        return Conv2d(width=width, bias=True)

    def reason(self, scope: Scope, x: Ref) -> Ref:
        """Write what follows the reduction and return the scores."""
        raise TypeError(f"{type(self).__name__} does not reason")


class FeatureHead(ReasoningHead):
    """Base of the heads over features of frames: each frame's map is pooled first."""

    pool: Reduce | Literal["none"] = Field(
        default="average", description="over space; none where features arrive"
    )

    def arriving(self, scope: Scope, x: Ref) -> Ref:
        """Return the features of frames."""
        return (
            x if self.pool == "none" else scope.add("head_pool", SpatialPool(reduce=self.pool), x)
        )

    def reduction(self, width: int) -> Op:
        """Return the layer that reduces channels."""
        return Linear(width=width)


CLASSIFIER = (("classifier", "output"),)


def classified(scope: Scope, x: Ref, classes: int) -> Ref:
    """Write a linear classifier."""
    return scope.add("fc", Linear(width=classes), x, slot="classifier", roles=CLASSIFIER)
