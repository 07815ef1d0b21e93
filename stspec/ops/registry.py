"""The operators that YAML can name, ours and those of others."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points

from stspec.ops import activation, attention, conv, join, linear, norm, pool, temporal
from stspec.ops.base import Op

_BUILT_IN: tuple[type[Op], ...] = (
    conv.Conv2d,
    conv.Conv3d,
    norm.BatchNorm,
    activation.ReLU,
    activation.ReLU6,
    activation.Swish,
    pool.MaxPool2d,
    pool.AvgPool2d,
    pool.MaxPool3d,
    pool.AvgPool3d,
    pool.TemporalMaxPool,
    pool.TemporalAvgPool,
    pool.SpatialPool,
    pool.Consensus,
    linear.Linear,
    linear.Dropout,
    join.Add,
    join.Concat,
    temporal.TemporalAggregation,
    temporal.TemporalShift,
    attention.SoftmaxAttention,
    attention.DotProductAttention,
    attention.ConcatenationAttention,
)


class OpRegistry:
    """Operators by the name that YAML uses."""

    def __init__(self, ops: Iterable[type[Op]] = _BUILT_IN) -> None:
        self._ops = {op.kind: op for op in ops}
        self._plugged = False

    def names(self) -> list[str]:
        """Return all names, entry points included."""
        self._plug()
        return sorted(self._ops)

    def get(self, name: str) -> type[Op] | None:
        """Return an operator, or None where there is no such name."""
        if name not in self._ops:
            self._plug()
        return self._ops.get(name)

    def add(self, op: type[Op]) -> None:
        """Add an operator for the rest of the process."""
        self._ops[op.kind] = op

    def _plug(self) -> None:
        # Entry points are looked up only when a name is not ours: the scan costs time.
        if not self._plugged:
            self._plugged = True
            for point in entry_points(group="stspec.ops"):
                self._ops.setdefault(point.name, point.load())


OPS = OpRegistry()
