"""Two steps, in a process of their own, that tell by how many bytes its memory grew at most."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch

from stspec.network import load
from stspec.train.distributed import World
from stspec.train.feed import Batch, Feed
from stspec.train.live import Silence
from stspec.train.recipe import load_recipe
from stspec.train.setup import Given, build_stage, fresh_module


def resident(key: str) -> int:
    """Return bytes that the system counts for this process: VmRSS now, VmHWM at the most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise LookupError(key)


M_MMAP_THRESHOLD = -3
"""Of mallopt(3)."""


def measure(asked: dict[str, Any], answer: Any) -> None:
    """Tell the bytes; `asked` has a spec's name, what is set of it and of the recipe, and clips."""
    # What the C library keeps of freed memory, to give it out again, is nobody's.
    assert ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 65536)
    torch.set_num_threads(1)
    clips = asked["clips"]
    network = load(asked["spec"], asked["set"])
    recipe = load_recipe("study2021", [f"batch={clips}", *asked["recipe"]])
    names = [str(n) for n in range(network.spec.model.classes)]
    feed = cast("Feed", SimpleNamespace(count=clips, classes=names, multi_label=False))
    shape = network.facts.input
    pixels = torch.zeros(clips, *shape.sizes, dtype=torch.uint8)
    batch = Batch(clips=pixels, labels=torch.zeros(clips, dtype=torch.long), faults=[])
    # Libraries set themselves up at their first convolution.
    torch.nn.functional.conv2d(torch.zeros(1, 3, 8, 8), torch.zeros(4, 3, 3, 3))
    before = resident("VmRSS")
    given = Given(network, recipe, feed, World(), 0, Silence())
    stage = build_stage(given, 0, fresh_module(network, 0))
    stage.train_mode()
    Path("/proc/self/clear_refs").write_text("5")  # forget the height until now
    for step in range(2):
        stage.stepper.step(batch, step, asked=False)
    answer.put(resident("VmHWM") - before)
