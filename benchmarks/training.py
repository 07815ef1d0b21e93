"""What the harness costs: its loop against a bare loop of the same model on the same tensors.

    python -m benchmarks.training                 # TAM on ResNet18, 8 x 112 x 112, on the CPU
    python -m benchmarks.training --model tam_resnet50 --size 224 --batch 16 --device cuda

Both loops take the same steps of SGD on clips that are in memory, in turns, and the medians of
their steps are compared. The harness's also logs every step, looks for losses that are no numbers
and for signals, and keeps time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stspec.module import build_module
from stspec.network import Network, load
from stspec.train import load_recipe, train
from stspec.train.distributed import World
from stspec.train.feed import Batch
from stspec.train.memory import set_channels_last
from stspec.train.step import Normalise

CLASSES = 12


class Memory:
    """The same clips over and over; notes when each step begins."""

    multi_label = False
    classes = tuple(f"class {number}" for number in range(CLASSES))
    about: dict[str, Any] = {}  # noqa: RUF012 (never written to)

    def __init__(self, clips: Tensor, labels: Tensor, steps: int) -> None:
        self.clips, self.labels, self.count = clips, labels, len(clips) * steps
        self.times: list[float] = []

    def train(
        self, network: Network, batch: int, epoch: int, first: int, world: World
    ) -> Iterator[Batch]:
        for _ in range(first, self.count // batch):
            _finish(world.device)
            self.times.append(time.perf_counter())
            yield {"clips": self.clips, "labels": self.labels, "faults": []}
        self.times.append(time.perf_counter())

    def validate(self, network: Network, module: nn.Module, world: World) -> None:
        return None

    def close(self) -> None: ...


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def bare(network: Network, feed: Memory, device: torch.device, steps: int) -> list[float]:
    """Return the seconds of each step of the shortest loop that does the same."""
    recipe = load_recipe("motions")
    module = build_module(network).to(device).train()
    set_channels_last(module)
    normalise = Normalise(recipe.data.mean, recipe.data.std, device)
    optimizer = torch.optim.SGD(module.parameters(), 0.01, 0.9, weight_decay=5e-4)
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(module(normalise(feed.clips)), feed.labels.to(device))
        loss.backward()
        optimizer.step()
        _finish(device)
        times.append(time.perf_counter() - start)
    return times


def harness(network: Network, feed: Memory, device: torch.device, batch: int) -> list[float]:
    """Return the seconds from each step's beginning to the next one's."""
    feed.times = []
    changes = [("batch", batch), ("epochs", 1), ("clip_norm", None)]
    recipe = load_recipe("motions", changes)
    with tempfile.TemporaryDirectory() as folder:
        train(
            network, recipe=recipe, run=Path(folder) / "run", feed=feed, quiet=True,
            device=device.type,
        )  # fmt: skip
    return [b - a for a, b in zip(feed.times, feed.times[1:], strict=False)]


def main() -> None:
    """Measure in turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="tam_resnet18")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    device = torch.device(given.device)
    sets = [f"clip.frames={given.frames}", f"clip.size={given.size}", f"classes={CLASSES}"]
    network = load(given.model, sets)
    clips = torch.randint(0, 256, (given.batch, 3, given.frames, given.size, given.size))
    feed = Memory(clips.to(torch.uint8), torch.arange(given.batch) % CLASSES, given.steps)
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(given.rounds + 1):
        found = (
            bare(network, feed, device, given.steps),
            harness(network, feed, device, given.batch),
        )
        if number:  # the first round warms up
            theirs += found[0]
            ours += found[1]
    low, high = statistics.median(theirs), statistics.median(ours)
    print(f"{given.model} {given.frames}x{given.size}x{given.size}, batch {given.batch}, {device},")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {len(ours)} steps each")
    print(
        f"bare loop {low * 1e3:.2f} ms a step, harness {high * 1e3:.2f} ms: {high / low - 1:+.1%}"
    )


if __name__ == "__main__":
    main()
