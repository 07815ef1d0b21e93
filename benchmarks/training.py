"""What the harness costs: its loop against a bare loop of the same model on the same tensors.

    python -m benchmarks.training                 # TAM on ResNet18, 8 x 112 x 112, on the CPU
    python -m benchmarks.training --model tam_resnet50 --size 224 --batch 16 --device cuda
    python -m benchmarks.training --clock cpu     # processor time, for a machine that is shared

Both loops take the same steps of SGD on clips that are in memory, a step each in turns, and the
medians are compared. The harness's also logs every step, looks for losses that are no numbers
and for signals, and keeps time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

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
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
WARM = 5
"""Steps that are not counted."""


class Bare:
    """The shortest loop that does the same, a step at a time."""

    def __init__(self, network: Network, clips: Tensor, labels: Tensor, device: torch.device):
        data = load_recipe("motions").data
        self.clips, self.labels, self.device = clips, labels, device
        self.module = build_module(network).to(device).train()
        set_channels_last(self.module)
        self.normalise = Normalise(data.mean, data.std, device)
        self.optimizer = torch.optim.SGD(self.module.parameters(), 0.01, 0.9, weight_decay=5e-4)

    def step(self) -> None:
        """Take a step."""
        self.optimizer.zero_grad(set_to_none=True)
        scores = self.module(self.normalise(self.clips))
        F.cross_entropy(scores, self.labels.to(self.device)).backward()
        self.optimizer.step()


class InTurns:
    """A feed that lets the bare loop take a step in front of each of the harness's."""

    multi_label = False
    classes = tuple(f"class {number}" for number in range(CLASSES))
    about: ClassVar[dict[str, Any]] = {}

    def __init__(self, bare: Bare, steps: int, clock: Callable[[], float]) -> None:
        self.bare, self.count, self.clock = bare, len(bare.clips) * steps, clock
        self.theirs: list[float] = []
        self.ours: list[float] = []

    def train(
        self, network: Network, batch: int, epoch: int, first: int, world: World
    ) -> Iterator[Batch]:
        for _ in range(first, self.count // batch):
            start = self._now()
            self.bare.step()
            self.theirs.append(self._now() - start)
            start = self._now()
            yield {"clips": self.bare.clips, "labels": self.bare.labels, "faults": []}
            self.ours.append(self._now() - start)

    def validate(self, network: Network, module: nn.Module, world: World) -> None:
        return None

    def close(self) -> None: ...

    def _now(self) -> float:
        if self.bare.device.type == "cuda":
            torch.cuda.synchronize()
        return self.clock()


def main() -> None:
    """Measure in turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="tam_resnet18")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall")
    given = parser.parse_args()
    device = torch.device(given.device)
    sets = [f"clip.frames={given.frames}", f"clip.size={given.size}", f"classes={CLASSES}"]
    network = load(given.model, sets)
    clips = torch.randint(0, 256, (given.batch, 3, given.frames, given.size, given.size))
    labels = torch.arange(given.batch) % CLASSES
    feed = InTurns(
        Bare(network, clips.to(torch.uint8), labels, device), given.steps + 1, CLOCKS[given.clock]
    )
    changes = [("batch", given.batch), ("epochs", 1), ("clip_norm", None)]
    with tempfile.TemporaryDirectory() as folder:
        train(
            network, recipe=load_recipe("motions", changes), run=Path(folder) / "run", feed=feed,
            quiet=True, device=device.type,
        )  # fmt: skip
    # The first steps warm up.
    pairs = list(zip(feed.theirs, feed.ours, strict=False))[WARM:]
    low, high = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(ours / theirs for theirs, ours in pairs)
    print(f"{given.model} {given.frames}x{given.size}x{given.size}, batch {given.batch}, {device}")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {len(pairs)} steps each")
    print(
        f"bare loop {low * 1e3:.2f} ms a step, harness {high * 1e3:.2f} ms (medians, {given.clock})"
    )
    print(f"median of ratios {ratio - 1:+.1%}")


if __name__ == "__main__":
    main()
