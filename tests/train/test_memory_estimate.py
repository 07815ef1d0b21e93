"""The memory that a dry run tells, against what the system counts for a real step."""

from __future__ import annotations

import sys

import pytest

from stspec.network import load
from stspec.train.effort import estimate
from stspec.train.recipe import load_recipe
from tests.forking import ask
from tests.train.measured_step import measure

SMALL = ["clip.size=112"]


@pytest.mark.skipif(sys.platform != "linux", reason="the system counts in /proc")
@pytest.mark.parametrize(
    ("spec", "frames", "clips", "recipe"),
    [
        ("tsn_resnet18", 4, 4, []),
        ("tam_inceptionv1", 4, 4, []),
        ("i3d_resnet50", 4, 2, ["optimizer.kind=adamw", "checkpoint_stages=[1, 2, 3, 4]"]),
    ],
)
def test_a_step_takes_what_is_told(spec: str, frames: int, clips: int, recipe: list[str]) -> None:
    changes = [*SMALL, f"clip.frames={frames}"]
    asked = {"spec": spec, "set": changes, "recipe": recipe, "clips": clips}
    measured = ask(measure, asked)
    told = estimate(load(spec, changes), load_recipe("study2021", recipe), clips)
    assert 1 / 1.6 < told / measured < 1.6, f"{told / 2**20:.0f} of {measured / 2**20:.0f} MiB"


def test_more_of_anything_takes_more() -> None:
    network, recipe = load("tam_resnet18"), load_recipe("study2021")
    base = estimate(network, recipe, 8)
    assert estimate(network, recipe, 16) > 1.5 * base
    assert estimate(network, load_recipe("study2021", ["ema=0.9"]), 8) > base
    assert estimate(network, load_recipe("study2021", ["optimizer.kind=adamw"]), 8) > base
    assert estimate(network, load_recipe("study2021", ["precision=bfloat16"]), 8) < base
    again = load_recipe("study2021", ["checkpoint_stages=[1, 2, 3, 4]"])
    assert estimate(network, again, 8) < base
