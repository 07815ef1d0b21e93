"""Operators of heads: recurrent, relational, transformers, forests, scores of frames."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

from stspec.ops.activation import Gelu, Tanh
from stspec.ops.base import Op
from stspec.ops.forest import DecisionForest
from stspec.ops.plane import FeaturePlane, PlaneConv
from stspec.ops.recurrent import ConvLstm, LastState, Recurrent
from stspec.ops.relation import Relation
from stspec.ops.segmentation import TcnStage
from stspec.ops.transformer import ClassToken, Embedding, FrameAttention, LayerNorm
from tests.interpreter.values import Rule, Weights


def _recurrent(op: Recurrent, weights: Weights, x: list[Tensor]) -> Tensor:
    value = x[0]
    for layer in range(op.layers):
        ways = [_read(op, weights, value, f"l{layer}")]
        if op.bidirectional:
            backwards = _read(op, weights, value.flip(1), f"l{layer}_reverse")
            ways.append(backwards.flip(1))
        value = torch.cat(ways, 2)
    return value


def _read(op: Recurrent, weights: Weights, x: Tensor, end: str) -> Tensor:
    into, onwards = weights.must(f"weight_ih_{end}"), weights.must(f"weight_hh_{end}")
    bias_in, bias_on = weights.must(f"bias_ih_{end}"), weights.must(f"bias_hh_{end}")
    state = cell = torch.zeros(len(x), op.hidden, dtype=x.dtype)
    states = []
    for frame in x.unbind(1):
        given, kept = F.linear(frame, into, bias_in), F.linear(state, onwards, bias_on)
        if op.cell == "lstm":
            i, f, g, o = (given + kept).chunk(4, 1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            state = o.sigmoid() * cell.tanh()
        elif op.cell == "gru":
            (r, z, n), (kept_r, kept_z, kept_n) = given.chunk(3, 1), kept.chunk(3, 1)
            update = (z + kept_z).sigmoid()
            new = (n + (r + kept_r).sigmoid() * kept_n).tanh()
            state = (1 - update) * new + update * state
        else:
            total = given + kept
            state = total.tanh() if op.cell == "tanh" else total.relu()
        states.append(state)
    return torch.stack(states, 1)


def _last_state(op: LastState, weights: Weights, x: list[Tensor]) -> Tensor:
    if not op.bidirectional:
        return x[0][:, -1]
    forth, back = x[0].chunk(2, 2)
    return torch.cat([back[:, 0], forth[:, -1]], 1)


def _conv_lstm(op: ConvLstm, weights: Weights, x: list[Tensor]) -> Tensor:
    kernel, bias = weights.must("weight"), weights("bias")
    state = cell = torch.zeros_like(x[0][:, :1, 0]).expand(-1, op.hidden, -1, -1)
    states = []
    for frame in x[0].unbind(2):
        seen = torch.cat([frame, state], 1)
        i, f, o, g = F.conv2d(seen, kernel, bias, padding=op.kernel // 2).chunk(4, 1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        state = o.sigmoid() * cell.tanh()
        states.append(state)
    return torch.stack(states, 2)


def _relation(op: Relation, weights: Weights, x: list[Tensor]) -> Tensor:
    frames = x[0].shape[1]
    if op.scales == "largest" or frames == 1:
        scales = [frames]
    else:
        scales = list(range(frames, 1, -1) if op.scales == "all" else op.scales)
    total = torch.zeros(len(x[0]), op.width, dtype=x[0].dtype)
    for i, scale in enumerate(scales):
        every = list(combinations(range(frames), scale))
        count = min(op.count, len(every))
        for k in range(count):
            chosen = every[k if op.choose == "first" else (2 * k + 1) * len(every) // (2 * count)]
            row = torch.cat([x[0][:, frame] for frame in chosen], 1)
            for layer in range(op.layers + 1):
                row = weights.linear(f"scales.{i}.mlp.{1 + 3 * layer}", row.relu())
            total = total + row
    return total


def _forest(op: DecisionForest, weights: Weights, x: list[Tensor]) -> Tensor:
    hidden = weights.linear("fc1", x[0].flatten(1).relu()).relu()
    features = weights.norm("bn", weights.linear("fc2", hidden))
    trees = [_tree(op, weights, features, f"trees.{i}") for i in range(op.trees)]
    return torch.stack(trees).mean(0)


def _tree(op: DecisionForest, weights: Weights, features: Tensor, name: str) -> Tensor:
    """Walk to every leaf from the root, whose number is 1; node n leads to 2n and 2n + 1."""
    left = weights.linear(f"{name}.decide", features @ weights.must(f"{name}.mask")).sigmoid()
    classes = weights.must(f"{name}.leaves").softmax(1)
    leaves = torch.arange(2**op.depth)
    reached, node = torch.ones(len(features), len(leaves), dtype=features.dtype), leaves * 0 + 1
    for level in reversed(range(op.depth)):
        goes_right = leaves >> level & 1
        decision = left[:, node]
        reached = reached * torch.where(goes_right == 1, 1 - decision, decision)
        node = 2 * node + goes_right
    return reached @ classes


def _tcn(op: TcnStage, weights: Weights, x: list[Tensor]) -> Tensor:
    value = x[0].softmax(2) if op.refines else x[0]
    value = weights.conv1d("conv_in", value.transpose(1, 2))
    for i in range(op.layers):
        seen = weights.conv1d(f"layers.{i}.dilated", value, dilation=op.growth**i).relu()
        value = value + weights.conv1d(f"layers.{i}.conv", seen)
    return weights.conv1d("conv_out", value).transpose(1, 2)


def _embedding(op: Embedding, weights: Weights, x: list[Tensor]) -> Tensor:
    frames = list(x[0].unbind(1))
    if op.token:
        frames.insert(0, weights.must("token").expand(len(x[0]), -1))
    positions, segment = weights.must("positions"), weights.must("segment")
    return torch.stack([f + positions[i] + segment for i, f in enumerate(frames)], 1)


def _frame_attention(op: FrameAttention, weights: Weights, x: list[Tensor]) -> Tensor:
    heads = []
    for q, k, v in zip(*(value.chunk(op.heads, 2) for value in x), strict=True):
        scores = torch.einsum("nqc,nkc->nqk", q, k) / q.shape[2] ** 0.5
        heads.append(torch.einsum("nqk,nkc->nqc", scores.softmax(2), v))
    return torch.cat(heads, 2)


def _layer_norm(op: LayerNorm, weights: Weights, x: list[Tensor]) -> Tensor:
    mean = x[0].mean(2, keepdim=True)
    variance = (x[0] - mean).square().mean(2, keepdim=True)
    normal = (x[0] - mean) / (variance + op.eps).sqrt()
    return normal * weights.must("weight") + weights.must("bias")


def _plane_conv(op: PlaneConv, weights: Weights, x: list[Tensor]) -> Tensor:
    """Of a picture (N, 1, 1, T, C)."""
    rows, columns = op.spatial
    assert isinstance(rows.padding, int) and isinstance(columns.padding, int)
    padding = (rows.padding, columns.padding)
    picture = x[0].squeeze(2)
    stride = (op.stride, op.stride_c)
    return F.conv2d(picture, weights.must("weight"), weights("bias"), stride, padding).unsqueeze(2)


RULES: Mapping[type[Op], Rule] = {
    Recurrent: _recurrent,
    LastState: _last_state,
    ConvLstm: _conv_lstm,
    Relation: _relation,
    DecisionForest: _forest,
    TcnStage: _tcn,
    Embedding: _embedding,
    FrameAttention: _frame_attention,
    ClassToken: lambda op, weights, x: x[0][:, 0],
    LayerNorm: _layer_norm,
    FeaturePlane: lambda op, weights, x: x[0][:, None, None],
    PlaneConv: _plane_conv,
    Gelu: lambda op, weights, x: 0.5 * x[0] * (1 + torch.erf(x[0] / 2**0.5)),
    Tanh: lambda op, weights, x: x[0].tanh(),
}
