"""Every row of tests/oracles.yaml: keys, parameters, MACs and logits of public implementations."""

from pathlib import Path

import pytest
from torch import nn

from stspec.reference.verify import Row, read_table, verify_row

TESTS = Path(__file__).parents[1]
ROWS = read_table(TESTS / "oracles.yaml")


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no weights: all of them are the oracle's, which takes as long as half of the rest."""
    for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *_, **__: tensor)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_oracle(row: Row) -> None:
    result = verify_row(row, TESTS / "data" / "oracles")
    wrong = [f"{check.name}: {check.detail}" for check in result.checks if not check.ok]
    assert not wrong, result.parts


def test_no_oracle_stands_twice() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
