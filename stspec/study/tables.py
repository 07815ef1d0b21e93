"""A table and a figure as values, which the export and the report render. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "count", "share", "points", "number", "p", "macs", "params", "yes"]
"""How a value is told: `share` in [0, 1] as per cent, `points` (a difference of shares) with its
sign, `p` (a p-value) as "< 0.0001" where it is, `macs` in GMACs, `params` in millions, `yes` as
yes or no. The value itself is exact."""
Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in data, its title for people."""

    name: str
    title: str
    kind: Kind = "text"
    digits: int = 2

    def text(self, value: Value, empty: str = "") -> str:
        """Return a value as people read it, without the unit, which the heading has."""
        if value is None or value != value:
            return empty
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, str) or self.kind in ("text", "count"):
            return str(value)
        if self.kind == "p" and value < 10**-self.digits:
            return f"< {10**-self.digits:.{self.digits}f}"
        sign = "+" if self.kind == "points" else ""
        return f"{value * _FACTORS.get(self.kind, 1.0):{sign}.{self.digits}f}"

    @property
    def heading(self) -> str:
        """Return the title with its unit."""
        unit = _UNITS.get(self.kind)
        return f"{self.title} ({unit})" if unit else self.title


_FACTORS = {"share": 100.0, "points": 100.0, "macs": 1e-9, "params": 1e-6}
_UNITS = {"share": "%", "points": "points", "macs": "GMACs", "params": "M"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of typed values."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), self.name

    def values(self, column: str) -> list[Value]:
        """Return the values of a column by its name."""
        place = [each.name for each in self.columns].index(column)
        return [row[place] for row in self.rows]

    def records(self) -> list[dict[str, Value]]:
        """Return the rows as mappings from the columns' names."""
        names = [each.name for each in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def texts(self) -> list[list[str]]:
        """Return the rows as people read them."""
        return [
            [column.text(value, "-") for column, value in zip(self.columns, row, strict=True)]
            for row in self.rows
        ]


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows."""

    title: str
    kind: Kind = "text"
    log: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A point, with its interval where there is one."""

    x: Value
    y: float | None
    label: str = ""
    low: float | None = None
    high: float | None = None
    size: float | None = None
    """Of a bubble: MACs."""


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together, in one panel of a figure (a data set)."""

    panel: str
    name: str
    points: tuple[Point, ...]
    colour: str = ""
    """What it has in common with other series of its colour: a policy. Its name, if empty."""
    mark: str = ""
    """What it has in common with other series of its mark: a backbone."""
    pooled: bool | None = None
    """Whether its models pool time, where that varies."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How much the series of a panel agree: correlations, rows and columns by their names."""

    panel: str
    names: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """A step from one model to another, of a figure that is a graph."""

    panel: str
    source: str
    target: str
    change: str
    """What is done: `TSN -> TAM`, `temporal pooling`."""
    gain: float
    """In shares."""
    macs: int
    """What it costs more; less than 0 where it saves."""
    low: float | None = None
    high: float | None = None
    """The gain's interval, where there is one."""
    p: float | None = None
    """After Holm's correction."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as data: series of points, of a graph edges too."""

    name: str
    title: str
    kind: Literal["lines", "bars", "scatter", "graph"]
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    edges: tuple[Edge, ...] = ()
    notes: tuple[str, ...] = ()
    agreements: tuple[Agreement, ...] = ()

    @property
    def panels(self) -> list[str]:
        """Return the panels in order."""
        return list(dict.fromkeys(each.panel for each in self.series))

    def table(self) -> Table:
        """Return the points, or a graph's edges, as a table; a row each."""
        if self.kind == "graph":
            return self._edges()
        columns = (
            Column("panel", "data"),
            Column("series", "series"),
            Column("x", self.x.title, self.x.kind),
            Column("y", self.y.title, self.y.kind),
            Column("low", "low", self.y.kind),
            Column("high", "high", self.y.kind),
            Column("label", "label"),
            Column("size", "MACs", "macs"),
        )
        rows = [
            (s.panel, s.name, p.x, p.y, p.low, p.high, p.label, p.size)
            for s in self.series
            for p in s.points
        ]
        return without_empty(Table(self.name, self.title, columns, tuple(rows), self.notes))

    def _edges(self) -> Table:
        at = {(s.panel, p.label): p for s in self.series for p in s.points}
        columns = (
            Column("panel", "data"),
            Column("source", "from"),
            Column("target", "to"),
            Column("change", "change"),
            Column("top1", "top-1", "share"),
            Column("gain", "gain", "points"),
            Column("low", "low", "points"),
            Column("high", "high", "points"),
            Column("p", "p (Holm)", "p", 4),
            Column("macs", "MACs", "macs"),
            Column("more_macs", "change of MACs", "macs"),
        )
        rows = [
            (e.panel, e.source, e.target, e.change, at[e.panel, e.target].y, e.gain,
             e.low, e.high, e.p, at[e.panel, e.target].size, e.macs)
            for e in self.edges
        ]  # fmt: skip
        return without_empty(Table(self.name, self.title, columns, tuple(rows), self.notes))


def without_empty(table: Table, keep: Sequence[str] = ()) -> Table:
    """Return a table without the columns in which no row has anything."""
    kept = [
        i
        for i, column in enumerate(table.columns)
        if column.name in keep or any(row[i] not in (None, "") for row in table.rows)
    ]
    if len(kept) == len(table.columns) or not table.rows:
        return table
    columns = tuple(table.columns[i] for i in kept)
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    return Table(table.name, table.title, columns, rows, table.notes)
