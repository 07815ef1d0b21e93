"""Operators of heads in the field's words: LSTM of 256, relations of 8 to 2 frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stspec.ops.activation import Gelu
from stspec.ops.base import Op
from stspec.ops.forest import DecisionForest
from stspec.ops.plane import FeaturePlane, PlaneConv
from stspec.ops.pool import GlobalPool
from stspec.ops.recurrent import ConvLstm, LastState, Recurrent
from stspec.ops.relation import Relation
from stspec.ops.segmentation import TcnStage
from stspec.ops.shuffle import ChannelShuffle, PairMax
from stspec.ops.transformer import ClassToken, Embedding, FrameAttention, LayerNorm


def _recurrent(op: Recurrent) -> str:
    name = {"lstm": "LSTM", "gru": "GRU"}.get(op.cell, f"RNN ({op.cell})")
    ways = "bidirectional " if op.bidirectional else ""
    depth = f", {op.layers} layers" if op.layers > 1 else ""
    dropped = f", dropout {op.dropout}" if op.dropout and op.layers > 1 else ""
    return f"{ways}{name} of {op.hidden}{depth}{dropped}"


def _relation(op: Relation) -> str:
    if op.scales == "largest":
        name = "perceptron over all frames"
    elif op.scales == "all":
        name = f"relations of all scales, {op.count} of each ({_CHOSEN[op.choose]})"
    else:
        scales = ", ".join(map(str, op.scales))
        name = f"relations of {scales} frames, {op.count} of each ({_CHOSEN[op.choose]})"
    layers = " and ".join([str(op.hidden)] * op.layers)
    dropped = f", dropout {op.dropout}" if op.dropout else ""
    return f"{name}, {layers} hidden{dropped}"


_CHOSEN = {"spread": "evenly spread", "first": "the first", "drawn": "drawn in training"}


def _conv_lstm(op: ConvLstm) -> str:
    return f"ConvLSTM of {op.hidden}, {op.kernel}x{op.kernel}"


def _plane_conv(op: PlaneConv) -> str:
    return f"{op.kernel}x{op.kernel} convolution of time and features"


def _embedding(op: Embedding) -> str:
    return "class token and positions" if op.token else "positions"


def _stage(op: TcnStage) -> str:
    name = "refining stage" if op.refines else "stage"
    widest = op.growth ** (op.layers - 1)
    return f"{name} of {op.layers} temporal convolutions, dilation up to {widest}"


HEAD_WORDS: Mapping[type[Op], Callable[[Any], str]] = {
    Recurrent: _recurrent,
    LastState: lambda op: "last states of both" if op.bidirectional else "last state",
    ConvLstm: _conv_lstm,
    Relation: _relation,
    FeaturePlane: lambda op: "plane of time and features",
    PlaneConv: _plane_conv,
    GlobalPool: lambda op: "average over the clip",
    Embedding: _embedding,
    LayerNorm: lambda op: "layer norm",
    FrameAttention: lambda op: f"attention between frames, {op.heads} heads",
    ClassToken: lambda op: "class token",
    DecisionForest: lambda op: f"{op.trees} decision trees of depth {op.depth}",
    TcnStage: _stage,
    ChannelShuffle: lambda op: f"channels of {op.groups} groups interleaved",
    PairMax: lambda op: "maximum of neighbouring frames",
    Gelu: lambda op: "GELU",
}
