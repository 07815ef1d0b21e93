"""Operators and blocks in the field's words: 3x3x3 convolution, TAM (3 frames, depth-wise)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Any

from stspec.blocks.registry import BLOCKS
from stspec.diff.align import base_kind
from stspec.diff.canonical import canonical_op
from stspec.diff.head_words import HEAD_WORDS
from stspec.graph import Graph, Node
from stspec.graph.model import leaves
from stspec.ops.activation import Activation
from stspec.ops.adaptive import AdaptiveTemporalConv, GateShift, Interlace
from stspec.ops.attention import SoftmaxAttention
from stspec.ops.base import Op
from stspec.ops.conv import Conv2d
from stspec.ops.correlation import Correlation
from stspec.ops.gate import Resize
from stspec.ops.join import Chunk, PadChannels
from stspec.ops.linear import Dropout, Linear
from stspec.ops.norm import BatchNorm
from stspec.ops.plane import PlaneConv
from stspec.ops.pool import Consensus, Pool2d, SpatialPool, TemporalPool
from stspec.ops.sample import FrameDifferences, FrameRepeat, FrameSample
from stspec.ops.squeeze import SqueezeExcite
from stspec.ops.temporal import TemporalAggregation, TemporalConv, TemporalShift
from stspec.ops.window import PositionMean, Positions, Probabilities, WindowPool


def kernel_text(op: Op) -> str | None:
    """Return a kernel as the field writes it, 3x3 or 3x1x1; None where there is none."""
    if not isinstance(op, Conv2d | Pool2d):
        return None
    sizes = op.sides if isinstance(op, Conv2d) else (op.kernel, op.kernel)
    time = op.window().time.kernel
    looks = time > 1 or op.window().time.stride > 1
    return "x".join(str(size) for size in ((time, *sizes) if looks else sizes))


def op_words(op: Op) -> str:
    """Return what an operator is called."""
    for kind, words in _WORDS.items():
        if isinstance(op, kind):
            return words(op)
    return _with(op.kind.replace("_", " "), [_setting(k, v) for k, v in op.settings().items()])


def _with(name: str, details: list[str]) -> str:
    return f"{name} ({', '.join(details)})" if details else name


def _setting(name: str, value: Any) -> str:
    name = name.replace("_", " ")
    if isinstance(value, bool):
        return name if value else f"no {name}"
    if isinstance(value, list | tuple):
        return f"{name} {listing([str(v) for v in value])}"
    return f"{name} {value}".replace("_", " ")


def _conv(op: Any) -> str:
    words = f"{kernel_text(op)} convolution"
    words += f" of dilation {op.dilation}" if op.dilation > 1 else ""
    if op.groups == "depthwise":
        return f"depth-wise {words}"
    return words if op.groups == 1 else f"{words} in {op.groups} groups"


def _pool(op: Any) -> str:
    if op.window().space.kernel == op.window().time.kernel == 1:
        return f"subsampling by {op.stride}"
    return f"{kernel_text(op)} {'max' if op.kind.startswith('max') else 'average'}-pool"


def _temporal_pool(op: Any) -> str:
    name = "maximum" if "max" in op.kind else "average"
    stride = f", stride {op.stride}" if op.stride > 1 else ""
    return f"{name} of {op.kernel} frames{stride}"


def _softmax_attention(op: Any) -> str:
    # Its factor follows from the channels, and would part one kind of block into many.
    words = "softmax attention" if op.scale == 1 else "scaled softmax attention"
    return _with(words, [f"{op.groups} groups"] if op.groups > 1 else [])


def _window_pool(op: Any) -> str:
    height, width = (size or op.side for size in (op.height, op.width))
    if not (op.frames or height or width):
        return "average over the whole map"
    space = "all positions" if not (height or width) else f"{height or 'all'}x{width or 'all'}"
    return f"average over windows of {space}, {op.frames or 'all'} frames"


def _tam(op: Any) -> str:
    details = [f"{op.kernel} frames", "depth-wise" if op.depthwise else "dense"]
    return _with("TAM", details + (["maximum"] if op.reduce == "maximum" else []))


def _temporal_conv(op: Any) -> str:
    kernel = f"{op.kernel}x1x1 convolution"
    words = f"depth-wise {kernel}" if op.depthwise else kernel
    return f"{words} (a shift at first)" if op.start == "shift" else words


def _interlace(op: Any) -> str:
    return f"interlacing (1/{op.fold_div} of the channels, by up to {op.reach} frames)"


def _activation(op: Any) -> str:
    return {"relu": "ReLU", "relu6": "ReLU6"}.get(op.kind, str(op.kind))


def _frame_sample(op: Any) -> str:
    start = f", from frame {op.start}" if op.start else ""
    return f"one frame in {op.every}{start}"


def _correlation(op: Any) -> str:
    details = [f"{op.kernel}x{op.kernel} offsets"]
    details += [f"{op.dilation} apart"] if op.dilation > 1 else []
    return _with("correlation", details + ([f"{op.groups} groups"] if op.groups > 1 else []))


_WORDS: Mapping[type[Op], Callable[[Any], str]] = {
    **HEAD_WORDS,
    Conv2d: _conv,
    Pool2d: _pool,
    TemporalPool: _temporal_pool,
    TemporalAggregation: _tam,
    TemporalShift: lambda op: f"shift (1/{op.fold_div} of the channels each way)",
    TemporalConv: _temporal_conv,
    Interlace: _interlace,
    GateShift: lambda op: "gated shift",
    AdaptiveTemporalConv: lambda op: f"adaptive convolution over {op.kernel} frames",
    BatchNorm: lambda op: "norm" if not op.zero else "norm from zero",
    Activation: _activation,
    SoftmaxAttention: _softmax_attention,
    Linear: lambda op: f"linear to {op.width}",
    Dropout: lambda op: f"dropout {op.p}",
    PadChannels: lambda op: "channels of zeros",
    Chunk: lambda op: f"part {op.index + 1} of {op.parts} of the channels",
    FrameSample: _frame_sample,
    FrameRepeat: lambda op: f"frames {op.times} times",
    FrameDifferences: lambda op: f"differences of {op.frames} frames",
    Resize: lambda op: "resizing",
    Correlation: _correlation,
    SpatialPool: lambda op: f"{op.reduce} over space",
    Consensus: lambda op: f"{op.reduce} over frames",
    SqueezeExcite: lambda op: "squeeze-excitation",
    WindowPool: _window_pool,
    Positions: lambda op: "positions side by side",
    PositionMean: lambda op: "average over positions",
    Probabilities: lambda op: f"{op.by} in evaluation",
}


def body_words(node: Node) -> str:
    """Return what a node of a network's own graph is called, blocks with what they set."""
    if isinstance(node.body, Op):
        return op_words(_flat(node.body))
    return block_words(node.body)


def _flat(op: Op) -> Op:
    # The channels that arrive matter to no word but "depth-wise", which needs more than one.
    return canonical_op(op, (0,)) if isinstance(op, Pool2d) else op


def block_words(graph: Graph, *, replaces: bool = False) -> str:
    """Return a block's name with the settings that differ from its defaults.

    A sequence is told by what it holds: 3 x bottleneck, or 1x1 convolution and norm. Of a block
    that stands in a convolution's place, what it has from the convolution is not told.
    """
    kind = base_kind(graph.kind)
    block = BLOCKS.get(kind)
    if block is None:
        return sequence_words(graph) if kind == "sequential" else kind.replace("_", " ")
    told = []
    for name, info in block.model_fields.items():
        value = graph.fields.get(name)
        if info.is_required() or value is None or (replaces and name in _A_CONVOLUTIONS):
            continue
        if isinstance(value, str):
            told.append(value.replace("_", " "))
        elif value != info.get_default():
            told.append(_setting(name, value))
    told += [op_words(op) for op in _everywhere(graph)]
    return _with(kind_words(kind), told)


_A_CONVOLUTIONS = frozenset({*Conv2d.model_fields, "stride_t", "padding_t"})


def _everywhere(graph: Graph) -> list[Op]:
    """Return the operators that look at the whole clip, which say most of what a block does."""
    ops = (node.body for _, node in leaves(graph))
    return [op for op in ops if isinstance(op, Op) and op.window().global_time]


def sequence_words(graph: Graph) -> str:
    """Return what a sequence holds."""
    words = [
        op_words(n.body) if isinstance(n.body, Op) else kind_words(n.body.kind) for n in graph.nodes
    ]
    counted = [(len(list(same)), word) for word, same in groupby(words)]
    return listing([f"{n} x {word}" if n > 1 else word for n, word in counted])


def listing(words: Sequence[str]) -> str:
    """Return words as a list: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def kind_words(kind: str) -> str:
    """Return a kind of block as people write it."""
    return _KINDS.get(base_kind(kind), base_kind(kind).replace("_", " "))


_KINDS = {
    "basic": "basic block",
    "conv_unit": "convolution unit",
    "fire": "Fire module",
    "inception": "Inception module",
    "non_local": "non-local block",
    "channel_separated": "channel-separated convolution",
    "dense_layer": "dense layer",
    "preactivation_basic": "pre-activation basic block",
    "preactivation_bottleneck": "pre-activation bottleneck",
    "separable_conv": "separable convolution",
}


@dataclass(frozen=True, slots=True)
class Aspect:
    """One thing about an operator that differs. ``ratio`` is that of two widths."""

    name: str
    before: str
    after: str
    ratio: Fraction | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """Return what must agree for two changes to be told as one."""
        if self.ratio is not None:
            return (self.name, str(self.ratio))
        return (self.name, self.before, self.after)

    def negate(self) -> Aspect:
        """Return the aspect with sides swapped."""
        return Aspect(self.name, self.after, self.before, 1 / self.ratio if self.ratio else None)


def changed(before: Op, after: Op) -> tuple[Aspect, ...]:
    """Return what differs between two canonical operators that are versions of each other."""
    if _heading(before) != _heading(after) or not isinstance(before, Conv2d | Pool2d):
        words = op_words(before), op_words(after)
        if words[0] != words[1]:
            return (Aspect("", *words),)
    old, new = _aspects(before), _aspects(after)
    for name, axis in (("padding", "space"), ("temporal padding", "time")):
        if name in old or name in new:
            old[name] = getattr(before.window(), axis).padding
            new[name] = getattr(after.window(), axis).padding
    names = [*old, *(name for name in new if name not in old)]
    return tuple(
        _aspect(name, old.get(name), new.get(name))
        for name in names
        if old.get(name) != new.get(name)
    )


def _heading(op: Op) -> object:
    """Return what two operators must share for their fields to be compared one by one."""
    if isinstance(op, Conv2d) and not isinstance(op, PlaneConv):
        return "conv"
    return op.kind.replace("3d", "2d")


def _aspect(name: str, before: Any, after: Any) -> Aspect:
    ratio = None
    if name == "width" and before and after:
        ratio = Fraction(int(after), int(before))
    return Aspect(name, _value(name, before), _value(name, after), ratio)


def _value(name: str, value: Any) -> str:
    """Return an aspect's value as a phrase of its own."""
    if name == "kernel":
        return str(value)
    if name == "ceil mode":
        return "rounded up" if value else "rounded down"
    if name == "bias":
        return "with bias" if value else "without bias"
    if name == "groups":
        return {1: "dense", "depthwise": "depth-wise"}.get(value, f"in {value} groups")
    if name == "width":
        return str(value)
    return f"{name} {_plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value).replace("_", " ")


def _aspects(op: Op) -> dict[str, Any]:
    fields = op.model_dump()
    if not isinstance(op, Conv2d | Pool2d):
        return {name.replace("_", " "): value for name, value in fields.items()}
    window = op.window()
    for name in ("kernel", "kernel_w", "kernel_t", "stride_t", "padding", "padding_t"):
        fields.pop(name, None)
    told: dict[str, Any] = {"kernel": kernel_text(op), **fields}
    told["temporal stride"] = window.time.stride
    for name, reach in (("padding", window.space), ("temporal padding", window.time)):
        # Padding that keeps the size follows from the kernel and is not worth a word.
        if reach.padding != reach.kernel // 2:
            told[name] = reach.padding
    return {name.replace("_", " "): value for name, value in told.items()}
