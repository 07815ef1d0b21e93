"""Heads that classify frames, or their average, by one layer."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stspec.blocks.heads.base import Head, Reduce
from stspec.graph import Ref, Scope
from stspec.ops.conv import Conv2d
from stspec.ops.join import Concat
from stspec.ops.linear import Dropout, Linear
from stspec.ops.pool import AvgPool3d, Consensus, SpatialPool, TemporalAvgPool

CLASSIFIER_NAME = r"^[A-Za-z][A-Za-z0-9_]*(\.\d)?$"
"""What a classifier may be called: fc, or classifier.1 as the second of a sequence."""


class LinearHead(Head):
    """Global pool, dropout, a linear classifier and a consensus over frames."""

    kind: ClassVar[str] = "linear"
    several: ClassVar[bool] = True

    pool: Reduce | Literal["none"] = Field(
        default="average", description="over space; none where features arrive"
    )
    dropout: float = Field(default=0.5, ge=0, lt=1, description="in front of the classifier")
    classify: Literal["per_frame", "per_clip"] = Field(
        default="per_frame", description="scores of frames are joined, or their features"
    )
    consensus: Reduce | Literal["none"] = Field(
        default="average", description="over frames; none where they are one already"
    )
    bias: bool = Field(default=True, description="bias of the classifier")
    name: str = Field(default="fc", pattern=CLASSIFIER_NAME, description="parameter key")

    def build(self, scope: Scope, x: Ref, *more: Ref) -> Ref:
        """Write the pools, the classifier and the consensus; several values are concatenated."""
        ends = [self._features(scope, value) for value in (x, *more)]
        y = scope.add("head_join", Concat(), *ends) if more else ends[0]
        y = classifier(scope, y, self.name, self.classes, self.dropout, self.bias)
        return self._joined(scope, y) if self.classify == "per_frame" else y

    def _features(self, scope: Scope, x: Ref) -> Ref:
        y = x if self.pool == "none" else scope.add("head_pool", SpatialPool(reduce=self.pool), x)
        return self._joined(scope, y) if self.classify == "per_clip" else y

    def _joined(self, scope: Scope, x: Ref) -> Ref:
        if self.consensus == "none":
            return x
        return scope.add("consensus", Consensus(reduce=self.consensus), x)


def classifier(
    scope: Scope, x: Ref, name: str, classes: int, dropout: float, bias: bool = True
) -> Ref:
    """Write dropout and a linear classifier; a name with a number is a place in a sequence."""
    owner, dot, index = name.partition(".")
    linear = Linear(width=classes, bias=bias)
    roles = (("classifier", "output"),)
    if not dot:
        y = scope.add("dropout", Dropout(p=dropout), x) if dropout else x
        return scope.add(owner, linear, y, slot="classifier", roles=roles)

    def build(sub: Scope, y: Ref) -> Ref:
        for i in range(int(index)):
            y = sub.add(str(i), Dropout(p=dropout), y)
        return sub.add(index, linear, y, slot="classifier", roles=roles)

    return scope.sub(owner, "sequential", x, build)


class ConvolutionHead(Head):
    """A 1x1 convolution to classes and the global pool (SqueezeNet; behind windows, I3D).

    Where the head has windows, the trunk is averaged over each, one position apart, and the
    convolution classifies windows.
    """

    kind: ClassVar[str] = "convolution"

    window: Annotated[int, Field(ge=1)] | Literal["map", "none"] = Field(
        default="none", description="side of the windows that are averaged in front, or the map"
    )
    window_t: int = Field(default=1, ge=1, description="frames of these windows")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="in front of the classifier")
    activation: bool = Field(default=True, description="whether scores are activated")
    pool: Reduce = Field(default="average", description="over space")
    consensus: Reduce = Field(default="average", description="over frames")
    name: str = Field(
        default="classifier", pattern=r"^[A-Za-z][A-Za-z0-9_]*$", description="parameter key"
    )

    def build(self, scope: Scope, x: Ref) -> Ref:
        """Write the windows, the convolution, the pool and the consensus."""
        y = self._windows(scope, x)
        y = scope.add("dropout", Dropout(p=self.dropout), y) if self.dropout else y
        conv = Conv2d(width=self.classes, bias=True)
        y = scope.add(self.name, conv, y, slot="classifier", roles=(("classifier", "output"),))
        if self.activation:
            y = scope.add("head_relu", scope.defaults.activation(), y)
        y = scope.add("head_pool", SpatialPool(reduce=self.pool), y)
        return scope.add("consensus", Consensus(reduce=self.consensus), y)

    def _windows(self, scope: Scope, x: Ref) -> Ref:
        if isinstance(self.window, int):
            op = AvgPool3d(kernel=self.window, stride=1, kernel_t=self.window_t)
            return scope.add("head_windows", op, x)
        if self.window == "map":
            x = scope.add("head_map", SpatialPool(keep=True), x)
        if self.window_t == 1:
            return x
        op_t = TemporalAvgPool(kernel=self.window_t, stride=1, padding=0)
        return scope.add("head_windows", op_t, x)
