"""What emitted modules compute equals what their graphs mean, operator by operator."""

from __future__ import annotations

import pytest
import torch

from stspec.graph.model import leaves
from stspec.network import load
from tests.interpreter import RULES, interpret
from tests.networks import FILES, clip, run, seeded, small


def is_known(name: str) -> bool:
    """Tell whether the interpreter has all of a model's operators; oracles hold the others."""
    return all(type(node.body) in RULES for _, node in leaves(load(name).graph))


DEEP = ("34", "101", "152")
SHALLOW = [n for n in FILES if not any(depth in n for depth in DEEP) and is_known(n)]


@pytest.mark.parametrize("name", SHALLOW)
def test_shipped_models(name: str) -> None:
    network = small(name)
    module = seeded(network).double()
    x = clip(network, dtype=torch.float64)
    with torch.no_grad():
        expected = interpret(network, module.state_dict(), x)
    assert expected.std() > 0
    torch.testing.assert_close(
        run(module, x), expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max())
    )
