"""Every row of tests/oracles.yaml: keys, parameters, MACs and logits of public implementations."""

from pathlib import Path

import pytest

from stspec.reference.verify import Row, read_table, verify_row
from tests.noise import no_noise

TESTS = Path(__file__).parents[1]
ROWS = read_table(TESTS / "oracles.yaml")


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_oracle(row: Row) -> None:
    with no_noise():  # all weights become the oracle's
        result = verify_row(row, TESTS / "data" / "oracles")
    wrong = [f"{check.name}: {check.detail}" for check in result.checks if not check.ok]
    assert not wrong, result.parts


def test_no_oracle_stands_twice() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
