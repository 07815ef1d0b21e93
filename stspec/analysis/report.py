"""Costs and receptive fields as one table, for people and for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from stspec.analysis.cost import CONVENTIONS, Row, beside, cost, stage_names
from stspec.analysis.reach import Field, reach, trunk_reach

if TYPE_CHECKING:
    from stspec.network import Network


@dataclass(frozen=True, slots=True)
class Line:
    """One row. Receptive fields and strides in frames and pixels of the clip; None is all of it."""

    label: str
    kind: str
    output: str
    params: int
    macs: int
    activation_bytes: int
    time_rf: int | None
    time_stride: int
    space_rf: int | None
    space_stride: int


@dataclass(frozen=True, slots=True)
class Report:
    """The costs of a model by node, by stage or in total; the last line is the total."""

    name: str
    input: str
    per: str
    count: str
    about: str
    lines: tuple[Line, ...]

    def json(self) -> str:
        """Return a JSON object: model, input, what was counted, rows and total."""
        rows = [asdict(line) for line in self.lines]
        value = {
            "model": self.name,
            "input": self.input,
            "count": self.count,
            "per": self.per,
            "rows": rows[:-1],
            "total": rows[-1],
        }
        return json.dumps(value, indent=2)

    def csv(self) -> str:
        """Return comma-separated values with a heading; the whole of an axis is empty."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(asdict(self.lines[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(line) for line in self.lines)
        return text.getvalue()


def report(network: Network, per: str = "stage", count: str = "all") -> Report:
    """Return the costs of a network.

    Args:
        network: what is asked about.
        per: what one row is: node, stage or total.
        count: the convention by which MACs are counted.
    """
    costs, fields = cost(network), reach(network.graph)
    stages = _stage_fields(network, fields)
    names = _stage_members(network)
    lines: list[Line] = []
    if per == "node":
        lines = [_line(row, row.name, fields[row.name], count) for row in costs.rows]
    elif per == "stage":
        lines = [_line(row, names[row.name], stages[row.name], count) for row in costs.stages]
    lines.append(_line(costs.total, "total", trunk_reach(network.facts), count))
    facts = network.facts
    about = f"clip {facts.input} to {facts.output}; counted: {count}"
    return Report(network.name, str(facts.input), per, count, about, tuple(lines))


def _stage_fields(network: Network, fields: Mapping[str, Field]) -> dict[str, Field]:
    """Return the receptive field of every stage's result: that of the trunk's last node in it."""
    trunk: dict[str, Field] = {}
    every: dict[str, Field] = {}
    stages, others = dict(stage_names(network.graph)), beside(network.graph)
    for path, stage in stages.items():
        owner = path.rpartition(".")[0]
        if not owner or stages[owner] != stage:
            every[stage] = fields[path]
            if path.partition(".")[0] not in others:
                trunk[stage] = fields[path]
    return every | trunk


def _stage_members(network: Network) -> dict[str, str]:
    """Return what stages are called: their number, and the first and last layer in them."""
    members: dict[str, list[str]] = {}
    stages = dict(stage_names(network.graph))
    for path, stage in stages.items():
        owner = path.rpartition(".")[0]
        if not owner or stages[owner] != stage:
            members.setdefault(stage, []).append(path)
    # A sequence that holds several stages stands for none of them.
    found = {}
    for stage, paths in members.items():
        others = members_of(members, stage)
        ends = [p for p in paths if not any(o.startswith(f"{p}.") for o in others)] or paths
        name = ends[0] if len(ends) == 1 else f"{ends[0]}..{ends[-1]}"
        found[stage] = stage if stage == "head" else f"{stage}  {name}"
    return found


def members_of(members: Mapping[str, list[str]], stage: str) -> list[str]:
    """Return the nodes of all other stages."""
    return [path for other, paths in members.items() if other != stage for path in paths]


def _line(row: Row, label: str, field: Field, count: str) -> Line:
    macs = CONVENTIONS[count].count(row)
    return Line(
        label, row.kind, row.output, row.params, macs, row.activation_bytes,
        field.time.size, field.time.stride, field.space.size, field.space.stride,
    )  # fmt: skip
