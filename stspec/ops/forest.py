"""Neural decision forests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from stspec.ops.base import Arg, Layer, Layout, Op, Param, Shape, ShapeError, Site, Window
from stspec.ops.recurrent import features_of


class DecisionForest(Op):
    """Probabilities of classes by trees of soft decisions (Kontschieder et al., ICCV 2015).

    The features of all frames, in a row, pass two layers and a batch norm. Every tree sees a
    fixed share of them, drawn when it is made and kept as a matrix among the parameters, and
    decides at each of its nodes; a leaf is a distribution over classes. The result is the average
    over trees: probabilities, not logits.
    """

    kind: ClassVar[str] = "decision_forest"
    layout: ClassVar[Layout | None] = "clip"

    width: int = Field(ge=1, description="output features: the classes")
    trees: int = Field(default=30, ge=1, le=1000, description="trees that are averaged")
    depth: int = Field(default=15, ge=1, le=20, description="decisions on the way to a leaf")
    share: float = Field(default=0.5, gt=0, le=1, description="features that a tree sees")

    def channels(self, inputs: Sequence[int]) -> int:
        """Return the width."""
        return self.width

    def infer(self, inputs: Sequence[Shape]) -> Shape:
        """Return the probabilities."""
        shape = features_of(inputs[0], self.kind)
        if self._seen(shape.numel) < 1:
            raise ShapeError(f"a share of {self.share} of {shape.numel} features is none", "share")
        return Shape(self.width)

    def _seen(self, features: int) -> int:
        return int(features * self.share)

    def params(self, inputs: Sequence[Shape]) -> tuple[Param, ...]:
        """Return the layers in front, then mask, leaves and decisions of every tree."""
        n, leaves = inputs[0].numel, 2**self.depth
        found = []
        for name in ("fc1", "fc2"):
            found += [Param(f"{name}.weight", (n, n)), Param(f"{name}.bias", (n,), "bias")]
        found += [Param("bn.weight", (n,), "scale"), Param("bn.bias", (n,), "shift")]
        found += [Param(f"bn.running_{s}", (n,), "buffer") for s in ("mean", "var")]
        found.append(Param("bn.num_batches_tracked", (), "buffer"))
        for i in range(self.trees):
            found += [
                Param(f"trees.{i}.mask", (n, self._seen(n))),
                Param(f"trees.{i}.leaves", (leaves, self.width)),
                Param(f"trees.{i}.decide.weight", (leaves, self._seen(n))),
                Param(f"trees.{i}.decide.bias", (leaves,), "bias"),
            ]
        return tuple(found)

    def class_axis(self, param: str) -> int | None:
        """Return the last axis of leaves."""
        return 1 if param.endswith(".leaves") else None

    def macs(self, inputs: Sequence[Shape]) -> Mapping[str, int]:
        """Return one product per weight, masks and leaves included."""
        weights = (p for p in self.params(inputs) if p.role == "weight")
        return {"linear": sum(p.numel for p in weights)}

    def window(self) -> Window:
        """Return a look at all frames."""
        return Window(global_time=True)

    def layer(self, site: Site) -> Layer | None:
        """Return the module."""
        return Layer(
            "DecisionForest",
            (
                Arg("in_features", site.inputs[0].numel, keyword=False),
                Arg("out_features", self.width, keyword=False),
                Arg("trees", self.trees),
                Arg("depth", self.depth),
                Arg("share", self.share, 0.5),
            ),
            template="forest",
        )
