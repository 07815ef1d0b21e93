"""Every printed number is a test: params and MACs of IBM's benchmark tables, without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stspec.analysis.cost import CONVENTIONS, cost
from stspec.network import load
from stspec.reference import load_table

TABLES = Path(__file__).parent.parent / "data" / "tables"
BACKBONES = {"inception-v1": "inceptionv1", "resnet-18": "resnet18", "resnet-50": "resnet50"}

# Seven rows were printed when the last pooling of Inception-I3D had kernel 2 and no padding.
LAST_POOL = (
    "policy.spatial.last_pool={where: {role: spatial_pool_5}, to: max_pool3d, "
    "kernel: 2, padding: 0, kernel_t: 2, padding_t: 0}"
)
Row = Mapping[str, Any]


def rows(name: str) -> Iterator[tuple[Row, int]]:
    table = load_table(TABLES, name)
    for row in table["rows"]:
        yield row, table["classes"][row["dataset"]]


def counted(row: Row, classes: int, *overrides: str) -> tuple[int, int]:
    spec = f"{row['arch'].lower()}_{BACKBONES[row['backbone']]}"
    name = spec + ("_tp" if row["temporal_pooling"] else "")
    total = cost(
        load(name, [f"clip.frames={row['frames']}", f"classes={classes}", *overrides])
    ).total
    return total.params, CONVENTIONS["conv"].count(total)


def is_misprinted(row: Row) -> bool:
    printed, recount = row["flops"], row["recount_conv_macs"]
    return bool(printed != recount)


@pytest.mark.parametrize(
    ("name", "count"), [("ibm_benchmark_mini", 288), ("ibm_benchmark_full", 28)]
)
def test_every_row_is_recounted(name: str, count: int) -> None:
    found = list(rows(name))
    assert len(found) == count
    for row, classes in found:
        assert counted(row, classes) == (row["recount_params"], row["recount_conv_macs"]), row


@pytest.mark.parametrize("name", ["ibm_benchmark_mini", "ibm_benchmark_full"])
def test_every_row_is_as_printed(name: str) -> None:
    misprinted = 0
    for row, classes in rows(name):
        overrides = [LAST_POOL] if is_misprinted(row) else []
        misprinted += len(overrides)
        assert counted(row, classes, *overrides) == (row["params"], row["flops"]), row
    assert misprinted == {"ibm_benchmark_mini": 7, "ibm_benchmark_full": 0}[name]
