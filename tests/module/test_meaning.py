"""What emitted modules compute equals what their graphs mean, operator by operator."""

from __future__ import annotations

import pytest
import torch

from tests.interpreter import interpret
from tests.networks import FILES, clip, run, seeded, small

DEEP = ("34", "101", "152")
SHALLOW = [name for name in FILES if not any(depth in name for depth in DEEP)]

FEWER = {"timeception": ["clip.frames=8"]}
"""What spares time: its grouped convolutions are slow in double precision."""


@pytest.mark.parametrize("name", SHALLOW)
def test_shipped_models(name: str) -> None:
    network = small(name, *FEWER.get(name, ()))
    module = seeded(network).double()
    x = clip(network, dtype=torch.float64)
    with torch.no_grad():
        expected = interpret(network, module.state_dict(), x)
    assert expected.std() > 0
    torch.testing.assert_close(
        run(module, x), expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max())
    )
