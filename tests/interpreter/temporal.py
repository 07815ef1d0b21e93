"""Operators of neighbouring frames: blends, shifts, gates, differences."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from stspec.ops.adaptive import AdaptiveTemporalConv, GateShift, Interlace
from stspec.ops.base import Op
from stspec.ops.correlation import Correlation
from stspec.ops.excitation import MeanConv, MotionEnhancement
from stspec.ops.gate import Average, Gate, Resize, TemporalDifference
from stspec.ops.sample import ChannelSlice, FrameDifferences, FrameRepeat, FrameSample
from stspec.ops.shuffle import ChannelShuffle, PairMax
from stspec.ops.temporal import TemporalAggregation, TemporalConv, TemporalShift
from tests.interpreter.values import Rule, Weights, frames_apart


def _tam(op: TemporalAggregation, weights: Weights, x: list[Tensor]) -> Tensor:
    taps = weights.must("weight")
    groups = x[0].shape[1] if op.depthwise else 1
    blends = torch.stack([
        F.conv3d(frames_apart(x[0], i - op.kernel // 2), taps[:, :, i : i + 1], groups=groups)
        for i in range(op.kernel)
    ])  # fmt: skip
    return F.relu(blends.sum(0) if op.reduce == "sum" else blends.amax(0))


def _shift(op: TemporalShift, weights: Weights, x: list[Tensor]) -> Tensor:
    fold = x[0].shape[1] // op.fold_div
    out = x[0].clone()
    out[:, :fold] = frames_apart(x[0], 1)[:, :fold]
    out[:, fold : 2 * fold] = frames_apart(x[0], -1)[:, fold : 2 * fold]
    return out


def _temporal_conv(op: TemporalConv, weights: Weights, x: list[Tensor]) -> Tensor:
    taps = weights.must("weight")
    groups = x[0].shape[1] if op.depthwise else 1
    return F.conv3d(x[0], taps, padding=(op.kernel // 2, 0, 0), groups=groups)


def _average(op: Average, weights: Weights, x: list[Tensor]) -> Tensor:
    shares = op.weights or [1 / len(x)] * len(x)
    return torch.stack([share * value for share, value in zip(shares, x, strict=True)]).sum(0)


def _gate(op: Gate, weights: Weights, x: list[Tensor]) -> Tensor:
    value, *others = x
    total = torch.full_like(value, op.offset)
    for other in others:
        clips = other.sigmoid().split(value.shape[2], dim=2)
        total = total + torch.stack(clips).mean(0)
    return value * total


def _difference(op: TemporalDifference, weights: Weights, x: list[Tensor]) -> Tensor:
    moved, here = x
    count = here.shape[2]
    found = []
    for steps, silent in ((1, count - 1), (-1, 0)):
        change = frames_apart(moved, steps) - here
        change[:, :, silent] = 0
        found.append(change)
    if op.direction == "both":
        return torch.cat(found, 2)
    return found[op.direction == "backward"]


def _resize(op: Resize, weights: Weights, x: list[Tensor]) -> Tensor:
    rows, columns = (
        torch.arange(like) * size // like
        for size, like in zip(x[0].shape[3:], x[1].shape[3:], strict=True)
    )
    return x[0][..., rows, :][..., columns]


def _sample(op: FrameSample, weights: Weights, x: list[Tensor]) -> Tensor:
    length = x[0].shape[2]
    if op.rule == "stride":
        taken = torch.arange(op.start, length, op.every)
    elif op.rule == "nearest":
        taken = torch.arange(length // op.every) * op.every
    else:
        taken = torch.linspace(0, length - 1, length // op.every).long()
    return x[0].index_select(2, taken)


def _differences(op: FrameDifferences, weights: Weights, x: list[Tensor]) -> Tensor:
    groups = x[0].split(op.frames, dim=2)
    changes = [
        torch.cat([g[:, :, i + 1] - g[:, :, i] for i in range(op.frames - 1)], 1) for g in groups
    ]
    return torch.stack(changes, 2)


def _repeat(op: FrameRepeat, weights: Weights, x: list[Tensor]) -> Tensor:
    return torch.stack([frame for frame in x[0].unbind(2) for _ in range(op.times)], 2)


def _shuffle(op: ChannelShuffle, weights: Weights, x: list[Tensor]) -> Tensor:
    parts = []
    for part in x[0].chunk(op.parts, 1):
        groups = part.chunk(op.groups, 1)
        parts += [group[:, i] for i in range(groups[0].shape[1]) for group in groups]
    return torch.stack(parts, 1)


def _pair_max(op: PairMax, weights: Weights, x: list[Tensor]) -> Tensor:
    frames = x[0].unbind(2)
    before = [frames[1], *frames[:-1]]
    pairs = zip(frames, before, strict=True)
    return torch.stack([torch.maximum(now, then) for now, then in pairs], 2)


def _mean_conv(op: MeanConv, weights: Weights, x: list[Tensor]) -> Tensor:
    return F.conv3d(x[0].mean(1, keepdim=True), weights.must("weight"), padding=1)


def _motion(op: MotionEnhancement, weights: Weights, x: list[Tensor]) -> Tensor:
    frames = list(x[0].unbind(2))
    for t in range(len(frames) - 1):
        here, there = frames[t].mean((2, 3)), x[0][:, :, t + 1].mean((2, 3))
        change = weights.linear("squeeze_next", there) - weights.linear("squeeze", here)
        if op.sigmoid == "gate":
            gate = weights.linear("expand", change).sigmoid()
        else:
            gate = weights.linear("expand", change.sigmoid())
        frames[t] = frames[t] * gate[:, :, None, None]
    return torch.stack(frames, 2)


def _correlation(op: Correlation, weights: Weights, x: list[Tensor]) -> Tensor:
    value, weight = x[0], weights.must("weight")
    far, size = op.dilation * (op.kernel // 2), value.shape[3:]
    before = torch.stack([value[:, :, max(t - 1, 0)] for t in range(value.shape[2])], 2)
    room = torch.zeros(*value.shape[:3], size[0] + 2 * far, size[1] + 2 * far, dtype=value.dtype)
    room[..., far : far + size[0], far : far + size[1]] = value
    channels = []
    for row in range(op.kernel):
        for column in range(op.kernel):
            y, z = row * op.dilation, column * op.dilation
            there = room[..., y : y + size[0], z : z + size[1]]
            weighed = torch.einsum(
                "nctyx,nctyx,ct->nctyx", before, there, weight[:, :, row, column]
            )
            channels += [group.mean(1) for group in weighed.chunk(op.groups, 1)]
    return torch.stack(channels, 1)


def _interlace(op: Interlace, weights: Weights, x: list[Tensor]) -> Tensor:
    moved = x[0].shape[1] // op.fold_div
    pooled = x[0][:, :moved].mean((3, 4))  # (N, moved, T)
    signal = weights.conv1d("offset_conv", pooled)[:, 0]
    hidden = weights.linear("offset_fc1", signal).relu()
    offsets = 2 * op.reach * (weights.linear("offset_fc2", hidden).sigmoid() - 0.5)
    scales = 2 * weights.conv1d("scale_conv", pooled).sigmoid()  # (N, offsets, T)
    size = moved // (2 * op.offsets)
    out = x[0].clone()
    for n, clip in enumerate(x[0]):
        for group in range(2 * op.offsets):
            kind, sign = group % op.offsets, -1 if group >= op.offsets else 1
            channels = slice(group * size, (group + 1) * size)
            at = torch.arange(clip.shape[1]) - sign * offsets[n, kind]
            drawn = _between(clip[channels], at)
            out[n, channels] = drawn * scales[n, kind][:, None, None]
    return out


def _between(clip: Tensor, at: Tensor) -> Tensor:
    """Return what a clip (C, T, H, W) shows between its frames; zeros beyond them."""
    frames = []
    for place in at.tolist():
        first = math.floor(place)
        part = place - first
        found = torch.zeros_like(clip[:, 0])
        for frame, share in ((first, 1 - part), (first + 1, part)):
            if 0 <= frame < clip.shape[1]:
                found = found + share * clip[:, frame]
        frames.append(found)
    return torch.stack(frames, 1)


def _gate_shift(op: GateShift, weights: Weights, x: list[Tensor]) -> Tensor:
    seen = weights.norm("bn", x[0]).relu()
    half = x[0].shape[1] // 2
    mixed = []
    for part, steps in ((0, 1), (1, -1)):
        channels = slice(part * half, (part + 1) * half)
        kernel, bias = weights.must("weight")[part : part + 1], weights.must("bias")[part]
        gate = (F.conv3d(seen[:, channels], kernel, padding=1) + bias).tanh()
        moved = gate * x[0][:, channels]
        rest = x[0][:, channels] - moved + frames_apart(moved, steps)
        first, second = rest.chunk(2, 1)
        mixed += [
            channel
            for pair in zip(first.unbind(1), second.unbind(1), strict=True)
            for channel in pair
        ]
    return torch.stack(mixed, 1)


def _adaptive(op: AdaptiveTemporalConv, weights: Weights, x: list[Tensor]) -> Tensor:
    pooled = x[0].mean((3, 4))  # (N, C, T)
    signals = pooled.flatten(0, 1)
    hidden = weights.norm("kernel_bn", weights.linear("kernel_fc1", signals)).relu()
    kernels = weights.linear("kernel_fc2", hidden).softmax(-1).view(*pooled.shape[:2], -1)
    inner = weights.norm("gate_bn", weights.conv1d("gate_conv1", pooled)).relu()
    gates = weights.conv1d("gate_conv2", inner).sigmoid()
    gated = x[0] * gates[..., None, None]
    return torch.stack([
        frames_apart(gated, i - op.kernel // 2) * kernels[:, :, i, None, None, None]
        for i in range(op.kernel)
    ]).sum(0)  # fmt: skip


RULES: Mapping[type[Op], Rule] = {
    TemporalAggregation: _tam,
    TemporalShift: _shift,
    TemporalConv: _temporal_conv,
    Average: _average,
    Gate: _gate,
    TemporalDifference: _difference,
    Resize: _resize,
    FrameSample: _sample,
    FrameDifferences: _differences,
    FrameRepeat: _repeat,
    ChannelSlice: lambda op, weights, x: x[0][:, op.start : op.stop],
    ChannelShuffle: _shuffle,
    PairMax: _pair_max,
    MeanConv: _mean_conv,
    MotionEnhancement: _motion,
    Correlation: _correlation,
    Interlace: _interlace,
    GateShift: _gate_shift,
    AdaptiveTemporalConv: _adaptive,
}
