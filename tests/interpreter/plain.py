"""Operators of image networks and of the plainest heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stspec.ops.activation import ReLU, ReLU6, Swish
from stspec.ops.attention import ConcatenationAttention, DotProductAttention, SoftmaxAttention
from stspec.ops.base import Op, Reach
from stspec.ops.conv import Conv2d, Conv3d
from stspec.ops.flatten import Flatten
from stspec.ops.join import Add, Chunk, Concat
from stspec.ops.linear import Dropout, Linear
from stspec.ops.norm import BatchNorm
from stspec.ops.pool import (
    AvgPool2d,
    AvgPool3d,
    Consensus,
    GlobalPool,
    MaxPool2d,
    MaxPool3d,
    Pool2d,
    SpatialPool,
    TemporalAvgPool,
    TemporalMaxPool,
)
from stspec.ops.squeeze import SqueezeExcite
from stspec.ops.window import PositionMean, Positions, WindowPool
from tests.interpreter.values import Rule, Weights


def conv(op: Conv2d, weights: Weights, x: list[Tensor]) -> Tensor:
    weight = weights.must("weight")
    if weight.dim() == 4:
        weight = weight.unsqueeze(2)
    clip, padding = _padded(x[0], (op.time, *op.spatial), 0.0)
    stride = (op.time.stride, op.stride, op.stride)
    dilation, groups = (1, op.dilation, op.dilation), op.group_count(clip.shape[1])
    return F.conv3d(clip, weight, weights("bias"), stride, padding, dilation, groups)


def _padded(x: Tensor, axes: tuple[Reach, ...], fill: float) -> tuple[Tensor, tuple[int, ...]]:
    """Return the clip with what its size asks for around it, and the paddings that are left."""
    rest = []
    for dim, axis in enumerate(axes, 2):
        if axis.padding != "same":
            rest.append(axis.padding)
            continue
        rest.append(0)
        last = x.shape[dim] % axis.stride or axis.stride
        total = max(axis.kernel - last, 0)
        front, behind = (
            torch.full((*x.shape[:dim], count, *x.shape[dim + 1 :]), fill, dtype=x.dtype)
            for count in (total // 2, total - total // 2)
        )
        x = torch.cat([front, x, behind], dim)
    return x, tuple(rest)


def _norm(op: BatchNorm, weights: Weights, x: list[Tensor]) -> Tensor:
    mean, variance = weights.must("running_mean"), weights.must("running_var")
    return F.batch_norm(x[0], mean, variance, weights("weight"), weights("bias"), eps=op.eps)


def _max(op: Any, weights: Weights, x: list[Tensor]) -> Tensor:
    time, space = op.time, op.space if isinstance(op, Pool2d) else Reach()
    clip, padding = _padded(x[0], (time, space, space), -torch.inf)
    return F.max_pool3d(
        clip,
        (time.kernel, space.kernel, space.kernel),
        (time.stride, space.stride, space.stride),
        padding,
        ceil_mode=getattr(op, "ceil_mode", False),
    )


def _average(op: Any, weights: Weights, x: list[Tensor]) -> Tensor:
    # F.avg_pool3d refuses windows larger than the clip even where padding fills them.
    clip = x[0]
    if isinstance(op, Pool2d):
        frames = clip.transpose(1, 2).flatten(0, 1)
        assert isinstance(op.padding, int)
        frames = F.avg_pool2d(frames, op.kernel, op.stride, op.padding, op.ceil_mode)
        clip = frames.unflatten(0, (-1, clip.shape[2])).transpose(1, 2)
    time = op.time
    padded = F.pad(clip, (0, 0, 0, 0, time.padding, time.padding))
    windows = padded.unfold(2, time.kernel, time.stride)
    return windows.mean(-1)


def _attention(op: Any, weights: Weights, x: list[Tensor]) -> Tensor:
    runs = (value.tensor_split(op.groups, dim=2) for value in x)
    parts = [_attended(op, weights, *run) for run in zip(*runs, strict=True)]
    return torch.cat(parts, dim=2)


def _attended(op: Op, weights: Weights, *x: Tensor) -> Tensor:
    theta, phi, g = (value.flatten(2) for value in x)
    if isinstance(op, ConcatenationAttention):
        first, second = weights.must("weight").chunk(2)
        pairs = torch.einsum("c,ncp->np", first, theta)[:, :, None]
        scores = F.relu(pairs + torch.einsum("c,ncq->nq", second, phi)[:, None]) / phi.shape[2]
    else:
        scores = torch.einsum("ncp,ncq->npq", theta, phi)
        if isinstance(op, SoftmaxAttention):
            scores = (op.scale * scores).softmax(-1)
        else:
            scores = scores / phi.shape[2]
    out: Tensor = torch.einsum("npq,ncq->ncp", scores, g)
    return out.view(*out.shape[:2], *x[0].shape[2:])


def _spatial(op: SpatialPool, weights: Weights, x: list[Tensor]) -> Tensor:
    flat = x[0].flatten(3)
    pooled = flat.mean(3) if op.reduce == "average" else flat.amax(3)
    return pooled[..., None, None] if op.keep else pooled.transpose(1, 2)


def _windows(op: WindowPool, weights: Weights, x: list[Tensor]) -> Tensor:
    for dim, own in enumerate((op.frames, op.height, op.width), 2):
        size = x[0].shape[dim]
        side = own or (min(op.side, size) if op.side is not None and dim > 2 else size)
        x = [x[0].unfold(dim, side, 1).mean(-1)]
    return x[0]


def _squeeze_excite(op: SqueezeExcite, weights: Weights, x: list[Tensor]) -> Tensor:
    means = x[0].mean((2, 3, 4))
    inner = F.linear(means, weights.must("fc1.weight").flatten(1), weights("fc1.bias")).relu()
    gates = F.linear(inner, weights.must("fc2.weight").flatten(1), weights("fc2.bias")).sigmoid()
    return torch.einsum("nctyx,nc->nctyx", x[0], gates)


def _flatten(op: Flatten, weights: Weights, x: list[Tensor]) -> Tensor:
    return x[0].flatten(1) if op.time else x[0].transpose(1, 2).flatten(2)


def _consensus(op: Consensus, weights: Weights, x: list[Tensor]) -> Tensor:
    return x[0].mean(1) if op.reduce == "average" else x[0].amax(1)


RULES: Mapping[type[Op], Rule] = {
    Conv2d: conv,
    Conv3d: conv,
    BatchNorm: _norm,
    ReLU: lambda op, weights, x: F.relu(x[0]),
    ReLU6: lambda op, weights, x: x[0].clamp(0, 6),
    Swish: lambda op, weights, x: x[0] * x[0].sigmoid(),
    MaxPool2d: _max,
    MaxPool3d: _max,
    AvgPool2d: _average,
    AvgPool3d: _average,
    TemporalMaxPool: _max,
    TemporalAvgPool: _average,
    SoftmaxAttention: _attention,
    DotProductAttention: _attention,
    ConcatenationAttention: _attention,
    SpatialPool: _spatial,
    Consensus: _consensus,
    SqueezeExcite: _squeeze_excite,
    WindowPool: _windows,
    Positions: lambda op, weights, x: x[0].flatten(2).transpose(1, 2),
    PositionMean: lambda op, weights, x: x[0].mean(1),
    Flatten: _flatten,
    Linear: lambda op, weights, x: F.linear(x[0], weights.must("weight"), weights("bias")),
    Dropout: lambda op, weights, x: x[0],
    Add: lambda op, weights, x: x[0] + x[1],
    Concat: lambda op, weights, x: torch.cat(x, 2 if x[0].dim() == 3 else 1),
    Chunk: lambda op, weights, x: x[0].chunk(op.parts, 1)[op.index],
    GlobalPool: lambda op, weights, x: x[0].flatten(2).mean(2),
}
