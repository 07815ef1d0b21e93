"""Late fusion: pathways that are classified each by itself (Simonyan and Zisserman, NIPS 2014)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from stspec.blocks.heads.linear import LinearHead, classifier
from stspec.graph import Ref, Scope
from stspec.ops.gate import Average

TRUNK = "trunk"


class LateFusionHead(LinearHead):
    """A linear classifier for each value that is read, and the average of their scores."""

    kind: ClassVar[str] = "late_fusion"

    weights: Annotated[list[float], Field(min_length=2, max_length=16)] | None = Field(
        default=None, description="one for each value; equal ones"
    )

    def build(self, scope: Scope, x: Ref, *more: Ref) -> Ref:
        """Write a classifier behind each value, then the average."""
        scores = [self._scores(scope, value, i) for i, value in enumerate((x, *more))]
        if not more:
            return scores[0]
        weights = tuple(self.weights) if self.weights else None
        return scope.add("fusion", Average(weights=weights), *scores)

    def _scores(self, scope: Scope, x: Ref, index: int) -> Ref:
        source = self.read[index] if self.read else TRUNK
        name = self.name if source == TRUNK else f"{source}_{self.name}"
        y = self._features(scope, x)
        y = classifier(scope, y, name, self.classes, self.dropout, self.bias)
        return self._joined(scope, y) if self.classify == "per_frame" else y
