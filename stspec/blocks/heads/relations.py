"""Heads of perceptrons over all frames, or over ordered sets of them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from stspec.blocks.heads.base import CLASSIFIER, FeatureHead
from stspec.graph import Ref, Scope
from stspec.ops.relation import Relation, Scales


class MlpHead(FeatureHead):
    """A perceptron over the features of all frames in a row."""

    kind: ClassVar[str] = "mlp"

    hidden: int = Field(default=512, ge=1, description="hidden features")
    layers: int = Field(default=1, ge=1, le=16, description="hidden layers")
    inner_dropout: float = Field(default=0.0, ge=0, lt=1, description="behind hidden layers")

    def reason(self, scope: Scope, x: Ref) -> Ref:
        """Write the one relation of all frames."""
        op = Relation(
            width=self.classes,
            scales="largest",
            hidden=self.hidden,
            layers=self.layers,
            dropout=self.inner_dropout,
        )
        return scope.add("relation", op, x, slot="classifier", roles=CLASSIFIER)


class RelationHead(FeatureHead):
    """Relations of frames at several scales, each a perceptron, summed (TRN)."""

    kind: ClassVar[str] = "relation"

    scales: Scales = Field(
        default="all", description="frames of a relation: all from T to 2, T alone, or these"
    )
    count: int = Field(default=3, ge=1, le=1024, description="relations of a scale")
    choose: Literal["spread", "first", "drawn"] = Field(
        default="spread", description="which ones: evenly spread, the first, drawn in training"
    )
    hidden: int = Field(default=256, ge=1, description="hidden features")
    layers: int = Field(default=1, ge=1, le=16, description="hidden layers")
    inner_dropout: float = Field(default=0.0, ge=0, lt=1, description="behind hidden layers")

    def reason(self, scope: Scope, x: Ref) -> Ref:
        """Write the relations."""
        op = Relation(
            width=self.classes,
            scales=self.scales,
            count=self.count,
            choose=self.choose,
            hidden=self.hidden,
            layers=self.layers,
            dropout=self.inner_dropout,
        )
        return scope.add("relation", op, x, slot="classifier", roles=CLASSIFIER)
