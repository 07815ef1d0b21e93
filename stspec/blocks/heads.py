"""Heads: from the trunk to class scores."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from stspec.blocks.base import Block
from stspec.graph import Ref, Scope
from stspec.ops.conv import Conv2d
from stspec.ops.linear import Dropout, Linear
from stspec.ops.pool import Consensus, SpatialPool

Reduce = Literal["average", "maximum"]


class Head(Block):
    """Base of all heads; the number of classes comes from the model."""

    classes: int = Field(ge=1, description="number of classes")


class LinearHead(Head):
    """Global pool, dropout, a linear classifier and a consensus over frames."""

    kind: ClassVar[str] = "linear"

    pool: Reduce = Field(default="average", description="over space")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="in front of the classifier")
    classify: Literal["per_frame", "per_clip"] = Field(
        default="per_frame", description="scores of frames are joined, or their features"
    )
    consensus: Reduce = Field(default="average", description="over frames")
    name: str = Field(
        default="fc", pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.\d)?$", description="parameter key"
    )

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the pool, the classifier and the consensus."""
        y = scope.add("head_pool", SpatialPool(reduce=self.pool), x)
        if self.classify == "per_clip":
            y = scope.add("consensus", Consensus(reduce=self.consensus), y)
        y = self._classifier(scope, y)
        if self.classify == "per_frame":
            y = scope.add("consensus", Consensus(reduce=self.consensus), y)
        return y

    def _classifier(self, scope: Scope, x: Ref) -> Ref:
        owner, dot, index = self.name.partition(".")
        linear = Linear(width=self.classes)
        roles = (("classifier", "output"),)
        if not dot:
            y = scope.add("dropout", Dropout(p=self.dropout), x) if self.dropout else x
            return scope.add(owner, linear, y, slot="classifier", roles=roles)

        def build(sub: Scope, y: Ref) -> Ref:
            for i in range(int(index)):
                y = sub.add(str(i), Dropout(p=self.dropout), y)
            return sub.add(index, linear, y, slot="classifier", roles=roles)

        return scope.sub(owner, "sequential", x, build)


class ConvolutionHead(Head):
    """Dropout, a 1x1 convolution to classes, activation, then the global pool (SqueezeNet)."""

    kind: ClassVar[str] = "convolution"

    dropout: float = Field(default=0.5, ge=0, lt=1, description="in front of the classifier")
    pool: Reduce = Field(default="average", description="over space")
    consensus: Reduce = Field(default="average", description="over frames")
    name: str = Field(
        default="classifier", pattern=r"^[A-Za-z][A-Za-z0-9_]*$", description="parameter key"
    )

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the convolution, the pool and the consensus."""
        y = scope.add("dropout", Dropout(p=self.dropout), x) if self.dropout else x
        conv = Conv2d(width=self.classes, bias=True)
        y = scope.add(self.name, conv, y, slot="classifier", roles=(("classifier", "output"),))
        y = scope.add("head_relu", scope.defaults.activation(), y)
        y = scope.add("head_pool", SpatialPool(reduce=self.pool), y)
        return scope.add("consensus", Consensus(reduce=self.consensus), y)


HEADS: dict[str, type[Head]] = {head.kind: head for head in (LinearHead, ConvolutionHead)}
