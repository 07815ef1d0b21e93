"""A head of decision trees."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stspec.blocks.heads.base import CLASSIFIER, FeatureHead
from stspec.graph import Ref, Scope
from stspec.ops.forest import DecisionForest


class ForestHead(FeatureHead):
    """A neural decision forest over the features of all frames; gives probabilities."""

    kind: ClassVar[str] = "decision_forest"

    trees: int = Field(default=30, ge=1, le=1000, description="trees that are averaged")
    depth: int = Field(default=15, ge=1, le=20, description="decisions on the way to a leaf")
    share: float = Field(default=0.5, gt=0, le=1, description="features that a tree sees")

    def reason(self, scope: Scope, x: Ref) -> Ref:
        """Write the forest."""
        op = DecisionForest(
            width=self.classes, trees=self.trees, depth=self.depth, share=self.share
        )
        return scope.add("forest", op, x, slot="classifier", roles=CLASSIFIER)
