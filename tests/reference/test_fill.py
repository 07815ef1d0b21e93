"""The filling must give the same bits everywhere: every oracle rests on it."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stspec.reference import fill_input, fill_state_dict, fill_tensor


def digest(tensor: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(tensor).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("key", "shape", "expected"),
    [
        ("conv1.weight", (4, 3, 2, 2), "944f0061ae89871a"),
        ("layer1.0.bn1.weight", (7,), "533ddac302799762"),
        ("layer1.0.bn1.bias", (7,), "c04814e645bd42fe"),
        ("bn1.running_mean", (5,), "62d4f1665dbb747b"),
        ("bn1.running_var", (1, 5), "23aa772f0fe09919"),
        ("gru.bias_ih_l0", (9,), "2102f2c5c03993e1"),
        ("table.bias", (3, 2), "b55ee999bbbd4964"),
        ("scale", (), "a685af763bd74970"),
    ],
)
def test_bits_equal_those_that_filled_the_references(
    key: str, shape: tuple[int, ...], expected: str
) -> None:
    tensor = fill_tensor(key, shape)
    assert tensor.shape == shape
    assert tensor.dtype == np.float32
    assert digest(tensor) == expected


def test_input_bits() -> None:
    assert digest(fill_input((1, 3, 2, 4, 4))) == "c57919514da5b640"
    assert np.abs(fill_input((2, 3, 4, 8, 8))).max() <= 1.7


def test_batch_counters_are_integer_zeros() -> None:
    counter = fill_tensor("bn1.num_batches_tracked", ())
    assert counter.dtype == np.int64
    assert counter == 0


def test_ranges() -> None:
    state = fill_state_dict(
        {
            "bn.weight": (999,),
            "bn.bias": (999,),
            "bn.running_mean": (999,),
            "bn.running_var": (999,),
            "fc.weight": (100, 300),
        }
    )
    assert state["bn.weight"].min() >= 0.5 and state["bn.weight"].max() < 1.5
    assert np.abs(state["bn.bias"]).max() <= 0.02
    assert np.abs(state["bn.running_mean"]).max() <= 0.1
    assert state["bn.running_var"].min() >= 0.5
    assert state["fc.weight"].std() == pytest.approx(1.2 / 300**0.5, rel=0.02)
