"""A head that looks at the clip through windows."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stspec.blocks.heads.base import Head
from stspec.blocks.heads.linear import CLASSIFIER_NAME, classifier
from stspec.graph import Ref, Scope
from stspec.ops.conv import Conv2d
from stspec.ops.join import Concat
from stspec.ops.window import PositionMean, Positions, Probabilities, WindowPool

Side = Annotated[int, Field(ge=1)] | Literal["map"]
WindowSizes = Annotated[list[Side], Field(min_length=2, max_length=3)]


class WindowHead(Head):
    """Average over windows of one size, a classifier at every position, then their mean.

    As SlowFast's and X3D's heads (Feichtenhofer et al., ICCV 2019; Feichtenhofer, CVPR 2020): a
    window covers the whole map of the clips that are trained on; larger ones are seen through as
    many windows as fit, each with scores of its own. A window of two frames is I3D's (Carreira and
    Zisserman, CVPR 2017).
    """

    kind: ClassVar[str] = "window"
    several: ClassVar[bool] = True

    window: (
        Annotated[int, Field(ge=1)]
        | WindowSizes
        | Annotated[list[WindowSizes], Field(max_length=16)]
        | None
    ) = Field(
        default=None,
        description="side of the windows, which a smaller map fills; or frames and such a side; or "
        "frames, height and width, or such for each value that is read; `map`, and none said, is "
        "the clip's",
    )
    hidden: int | None = Field(
        default=None, ge=1, description="width of a layer in front of the classifier"
    )
    hidden_bias: bool = Field(default=False, description="bias of the hidden layer")
    hidden_norm: bool = Field(default=False, description="batch norm behind the hidden layer")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="in front of the classifier")
    probabilities: Literal["none", "softmax", "sigmoid"] = Field(
        default="none", description="of every position in front of the mean, in evaluation alone"
    )
    name: str = Field(default="fc", pattern=CLASSIFIER_NAME, description="parameter key")

    def build(self, scope: Scope, x: Ref, *more: Ref) -> Ref:
        """Write the pools, the hidden layer, the classifier and the mean over positions."""
        read = (x, *more)
        pools = [scope.add("head_pool", self._pool(i), value) for i, value in enumerate(read)]
        y = scope.add("head_join", Concat(), *pools) if more else pools[0]
        if self.hidden is not None:
            y = scope.add("hidden", Conv2d(width=self.hidden, bias=self.hidden_bias), y)
            if self.hidden_norm and scope.defaults.norm is not None:
                y = scope.add("hidden_bn", scope.defaults.norm, y)
            y = scope.add("hidden_relu", scope.defaults.activation(), y)
        y = scope.add("positions", Positions(), y)
        y = classifier(scope, y, self.name, self.classes, self.dropout)
        if self.probabilities != "none":
            y = scope.add("probabilities", Probabilities(by=self.probabilities), y)
        return scope.add("position_mean", PositionMean(), y)

    def _pool(self, number: int) -> WindowPool:
        if not self.window:
            return WindowPool()
        if isinstance(self.window, int):
            return WindowPool(side=self.window)
        own = self.window[number % len(self.window)]
        # One window for all is a list of sides, windows of their own are a list of such lists.
        sides = own if isinstance(own, list) else self.window
        frames, *rest = (side if isinstance(side, int) else None for side in sides)
        if len(rest) == 1:
            return WindowPool(frames=frames, side=rest[0])
        return WindowPool(frames=frames, height=rest[0], width=rest[1])
