"""Heads that read frames one after the other."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from stspec.blocks.heads.base import FeatureHead, ReasoningHead, classified
from stspec.graph import Ref, Scope
from stspec.ops.pool import SpatialPool
from stspec.ops.recurrent import Cell, ConvLstm, LastState, Recurrent


class RecurrentHead(FeatureHead):
    """RNN, LSTM or GRU over frames; its last state is classified."""

    kind: ClassVar[str] = "recurrent"

    cell: Cell = Field(default="lstm", description="tanh and relu are Elman networks")
    hidden: int = Field(default=256, ge=1, description="features of a state, of each direction")
    layers: int = Field(default=1, ge=1, le=64, description="layers, each reading the one below")
    bidirectional: bool = Field(default=False, description="a second network reads backwards")
    inner_dropout: float = Field(default=0.0, ge=0, lt=1, description="between layers")

    def reason(self, scope: Scope, x: Ref) -> Ref:
        """Write the network and the classifier of its last state."""
        op = Recurrent(
            cell=self.cell,
            hidden=self.hidden,
            layers=self.layers,
            bidirectional=self.bidirectional,
            dropout=self.inner_dropout,
        )
        y = scope.add("rnn", op, x)
        y = scope.add("last_state", LastState(bidirectional=self.bidirectional), y)
        return classified(scope, y, self.classes)


class ConvLstmHead(ReasoningHead):
    """ConvLSTM over maps; its last state is pooled and classified."""

    kind: ClassVar[str] = "conv_lstm"

    hidden: int = Field(default=256, ge=1, description="channels of a state")
    layers: int = Field(default=1, ge=1, le=64, description="layers, each reading the one below")
    kernel: int = Field(default=3, ge=1, description="spatial kernel, odd")

    @model_validator(mode="after")
    def _odd(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError("the kernel must be odd, so that a state has its input's size")
        return self

    def reason(self, scope: Scope, x: Ref) -> Ref:
        """Write the layers and the classifier of the last state."""
        y = x
        for i in range(self.layers):
            op = ConvLstm(hidden=self.hidden, kernel=self.kernel)
            y = scope.add(f"conv_lstm{i + 1}", op, y)
        y = scope.add("head_pool", SpatialPool(), y)
        y = scope.add("last_state", LastState(), y)
        return classified(scope, y, self.classes)
