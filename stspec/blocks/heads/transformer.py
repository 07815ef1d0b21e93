"""A head that lets frames attend to one another."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stspec.blocks.heads.base import FeatureHead, classified
from stspec.graph import Ref, Scope
from stspec.ops.activation import Gelu, Tanh
from stspec.ops.join import Add
from stspec.ops.linear import Dropout, Linear
from stspec.ops.transformer import ClassToken, Embedding, FrameAttention, LayerNorm


class TransformerHead(FeatureHead):
    """A transformer encoder over a class token and the frames; the token is classified.

    The encoder is BERT's, norms behind sums. The study of 2020 adds positions and normalises
    twice, once by itself and once as BERT does: `embeddings` says how often.
    """

    kind: ClassVar[str] = "transformer"

    width: int = Field(default=768, ge=1, description="channels within the encoder")
    layers: int = Field(default=3, ge=1, le=96, description="encoder layers")
    heads: int = Field(default=12, ge=1, description="attention heads")
    inner: int = Field(default=3072, ge=1, description="hidden channels of an encoder layer")
    positions: int = Field(default=512, ge=1, le=65536, description="positions that are learnt")
    embeddings: int = Field(default=1, ge=1, le=8, description="how often positions are added")
    eps: float = Field(default=1e-12, gt=0, description="added to the variance by norms")
    inner_dropout: float = Field(default=0.1, ge=0, lt=1, description="within the encoder")
    hidden: int = Field(default=1024, ge=1, description="hidden features of the classifier")

    def reason(self, scope: Scope, x: Ref) -> Ref:
        """Write embeddings, encoder and classifier."""
        y = scope.add("project", Linear(width=self.width), x)
        for i in range(1, self.embeddings + 1):
            y = scope.add(f"embed{i}", Embedding(positions=self.positions, token=i == 1), y)
            y = self._dropped(scope, f"embed_dropout{i}", self._norm(scope, f"embed_norm{i}", y))
        for i in range(1, self.layers + 1):
            y = scope.sub(f"encoder{i}", "encoder_layer", y, self._encode)
        y = scope.add("class_token", ClassToken(), y)
        y = scope.add("hidden", Linear(width=self.hidden), y)
        y = scope.add("hidden_dropout", Dropout(p=0.5), y)
        return classified(scope, scope.add("tanh", Tanh(), y), self.classes)

    def _encode(self, scope: Scope, x: Ref) -> Ref:
        query, key, value = (
            scope.add(name, Linear(width=self.width), x, value=name)
            for name in ("query", "key", "value")
        )
        attention = FrameAttention(heads=self.heads, dropout=self.inner_dropout)
        y = scope.add("attention", attention, query, key, value)
        y = scope.add("project", Linear(width=self.width), y)
        y = self._dropped(scope, "dropout1", y)
        x = self._norm(scope, "norm1", scope.add("add1", Add(), x, y))
        y = scope.add("gelu", Gelu(), scope.add("fc1", Linear(width=self.inner), x))
        y = scope.add("fc2", Linear(width=self.width), y)
        y = self._dropped(scope, "dropout2", y)
        return self._norm(scope, "norm2", scope.add("add2", Add(), x, y))

    def _norm(self, scope: Scope, name: str, x: Ref) -> Ref:
        return scope.add(name, LayerNorm(eps=self.eps), x)

    def _dropped(self, scope: Scope, name: str, x: Ref) -> Ref:
        return scope.add(name, Dropout(p=self.inner_dropout), x) if self.inner_dropout else x
