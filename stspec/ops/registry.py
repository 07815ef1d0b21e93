"""The operators that YAML can name, ours and those of others."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from stspec.diagnostics import Diagnostic, SpecError
from stspec.ops import (
    activation,
    adaptive,
    attention,
    conv,
    correlation,
    excitation,
    flatten,
    forest,
    gate,
    join,
    linear,
    norm,
    plane,
    pool,
    recurrent,
    relation,
    sample,
    segmentation,
    shuffle,
    squeeze,
    temporal,
    transformer,
    window,
)
from stspec.ops.base import Op

_BUILT_IN: tuple[type[Op], ...] = (
    conv.Conv2d,
    conv.Conv3d,
    norm.BatchNorm,
    activation.ReLU,
    activation.ReLU6,
    activation.Swish,
    activation.Gelu,
    activation.Tanh,
    pool.MaxPool2d,
    pool.AvgPool2d,
    pool.MaxPool3d,
    pool.AvgPool3d,
    pool.TemporalMaxPool,
    pool.TemporalAvgPool,
    pool.SpatialPool,
    pool.Consensus,
    squeeze.SqueezeExcite,
    window.WindowPool,
    window.Positions,
    window.PositionMean,
    window.Probabilities,
    flatten.Flatten,
    pool.GlobalPool,
    linear.Linear,
    linear.Dropout,
    recurrent.Recurrent,
    recurrent.LastState,
    recurrent.ConvLstm,
    relation.Relation,
    plane.FeaturePlane,
    plane.PlaneConv,
    transformer.Embedding,
    transformer.LayerNorm,
    transformer.FrameAttention,
    transformer.ClassToken,
    forest.DecisionForest,
    segmentation.TcnStage,
    shuffle.ChannelShuffle,
    shuffle.PairMax,
    join.Add,
    join.Concat,
    join.Chunk,
    gate.Gate,
    gate.Average,
    gate.TemporalDifference,
    gate.Resize,
    join.PadChannels,
    sample.FrameSample,
    sample.FrameDifferences,
    sample.FrameRepeat,
    sample.ChannelSlice,
    temporal.TemporalAggregation,
    correlation.Correlation,
    temporal.TemporalConv,
    temporal.TemporalShift,
    adaptive.Interlace,
    adaptive.GateShift,
    adaptive.AdaptiveTemporalConv,
    excitation.MeanConv,
    excitation.MotionEnhancement,
    attention.SoftmaxAttention,
    attention.DotProductAttention,
    attention.ConcatenationAttention,
)


class OpRegistry:
    """Operators by the name that YAML uses."""

    def __init__(self, ops: Iterable[type[Op]] = _BUILT_IN) -> None:
        self._ops = {op.kind: op for op in ops}
        self.built_in = frozenset(self._ops)
        self._points: dict[str, EntryPoint] | None = None

    def names(self) -> list[str]:
        """Return all names, entry points included."""
        return sorted({*self._ops, *self._offered()})

    def get(self, name: str) -> type[Op] | None:
        """Return an operator, or None where there is no such name.

        Raises:
            SpecError: if a package offers it, and its declaration is broken.
        """
        # Entry points are looked up only when a name is not ours: the scan costs time.
        if name not in self._ops and name in (offered := self._offered()):
            self._ops[name] = _loaded(offered[name])
        return self._ops.get(name)

    def add(self, op: type[Op]) -> None:
        """Add an operator for the rest of the process."""
        self._ops[op.kind] = op

    def _offered(self) -> dict[str, EntryPoint]:
        if self._points is None:
            found: dict[str, EntryPoint] = {}
            for point in entry_points(group="stspec.ops"):
                if point.name in self._ops or point.name in found:
                    raise _broken(point, "takes a name that another operator has")
                found[point.name] = point
            self._points = found
        return self._points


def _loaded(point: EntryPoint) -> type[Op]:
    """Import what a package offers; only the operator that is asked for, so that others work."""
    try:
        op = point.load()
    except Exception as error:
        raise _broken(point, f"does not import: {type(error).__name__}: {error}") from error
    if not (isinstance(op, type) and issubclass(op, Op)):
        raise _broken(point, "is no subclass of stspec.ops.base.Op")
    if getattr(op, "kind", None) != point.name:
        raise _broken(point, f"must have `{point.name}` as its class variable `kind`")
    found = flaw(op)
    if found is not None:
        raise _broken(point, f"is broken: {found[0]}")
    return op


def flaw(op: type[Op]) -> tuple[str, str | None] | None:
    """Return what the compiler misses in a declaration, and what to write; None if all is there."""
    kind = getattr(op, "kind", None)
    if not (isinstance(kind, str) and kind.isidentifier()):
        return f"{op.__name__} must have a class variable `kind`, an identifier", None
    if not op.__pydantic_complete__ and not op.model_rebuild(raise_errors=False):
        return f"{op.__name__} has a field whose type is not defined", None
    if op.layer is Op.layer and op.function is Op.function:
        help = "layer() names its PyTorch module, function() an expression"
        return f"{op.__name__} declares neither layer() nor function()", help
    return None


def _broken(point: EntryPoint, what: str) -> SpecError:
    package = point.dist.name if point.dist is not None else "an unnamed package"
    message = f"operator `{point.name:.80}` of {package} {what}"
    return SpecError(Diagnostic("broken-op", message, help=f"its entry point is {point.value}"))


OPS = OpRegistry()
