"""Every cost that a zoo or a paper prints: equal to its digits, to a recount, or explained."""

from __future__ import annotations

import pytest

from scripts.published import Published, published_costs
from stspec.analysis.cost import cost

ROWS = list(published_costs())


def name(row: Published) -> str:
    return f"{row.printed['system']}, {row.printed['input']}"


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_printed_cost_is_ours(row: Published) -> None:
    for key in ("system", "input", "source"):
        assert row.known[key] == row.printed[key]
    if "spec" not in row.known:
        assert row.known["reason"]
        return
    network = row.network()
    total = cost(network).total
    recount = row.printed.get("recount")
    if recount:
        assert network.facts.params == recount["params"]
        assert sum(total.macs.values()) == recount["macs"]
    if row.params_text and "params_reason" not in row.known:
        assert row.agrees("params", row.params(network))
    if row.macs_text and "count_reason" not in row.known:
        assert row.agrees("macs", row.macs(network, total))


def test_most_rows_are_had_in_full() -> None:
    full = [row for row in ROWS if not any("reason" in key for key in row.known)]
    assert len(full) > 0.7 * len(ROWS)
