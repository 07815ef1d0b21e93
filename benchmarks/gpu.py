"""Training on a GPU: clips a second, peak memory, and the share of a step that is not its work.

    python -m benchmarks.gpu --ibm CLONE [--models tam_resnet50 i3d_resnet50] [--frames 8 32]
        [--batch 16] [--size 224] [--rounds 10] [--precision bfloat16] [--no-compile] [--json FILE]

CLONE is a checkout of IBM/action-recognition-pytorch, whose models hold the same weights as ours.
Ours takes the steps of `stspec train`, from bytes to logged loss, plain and compiled. The public
model takes the shortest step there is, from clips that are normalised already: contiguous and
channels-last, plain and compiled; the fastest is its best setting. All clips lie on the device.

The sides take turns, a few steps each without waiting in between, and medians are kept. Peak memory
is that of a step: weights, gradients, momenta and activations. What is not the GPU's work is the
share of the time in which no kernel runs. --device cpu tries the script out, without these two.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.peers import in_channels_last
from benchmarks.public import BY_NAME, CLASSES, Clones, Peer
from stspec.module import build_module, load_weights
from stspec.network import Network, load
from stspec.output import write_output
from stspec.train import load_recipe
from stspec.train.distributed import World
from stspec.train.feed import Batch, Feed
from stspec.train.live import Silence
from stspec.train.setup import Given, build_stage
from stspec.train.step import TYPES, Normalise

STEPS = 4
"""Steps of a side's turn."""

WARM = 3
"""Turns of a side that are not counted: kernels are chosen and compiled in them."""

LR = 1e-4
OURS = "ours"


@dataclass
class Side:
    """A model that takes steps, and what was measured of it."""

    model: str
    frames: int
    how: str
    step: Callable[[], None]
    device: torch.device
    batch: int
    times: list[float] = field(default_factory=list)
    memory: int | None = None
    """Peak of a step, in bytes; None on a CPU."""
    busy: float | None = None
    """Seconds of a step in which the GPU runs a kernel."""

    def turn(self) -> float:
        """Return the seconds of a step."""
        self._wait()
        start = time.perf_counter()
        for _ in range(STEPS):
            self.step()
        self._wait()
        return (time.perf_counter() - start) / STEPS

    def warm_up(self, before: int) -> None:
        """Take steps that are not counted, and find the peak over what was held before."""
        for _ in range(WARM):
            self.turn()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            self.turn()
            self.memory = torch.cuda.max_memory_allocated(self.device) - before

    def find_busy(self) -> None:
        """Find how long the GPU runs kernels, of whatever stream."""
        if self.device.type != "cuda":
            return
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
            self.turn()
        kernels = [event for event in seen.events() or () if event.device_type.name == "CUDA"]
        spans = [(event.time_range.start, event.time_range.end) for event in kernels]
        self.busy = covered(spans) / 1e6 / STEPS

    @property
    def seconds(self) -> float:
        return statistics.median(self.times)

    def row(self) -> dict[str, Any]:
        """Return what was found."""
        idle = None if self.busy is None else max(0.0, 1 - self.busy / self.seconds)
        return {
            "model": self.model, "frames": self.frames, "how": self.how, "batch": self.batch,
            "clips_s": self.batch / self.seconds, "ms_step": 1e3 * self.seconds,
            "memory": self.memory, "not_gpu": idle,
        }  # fmt: skip

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def covered(spans: list[tuple[float, float]]) -> float:
    """Return the length that intervals cover together."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


@dataclass(frozen=True)
class Subject:
    """A network, its public counterpart with the same weights, and clips for both."""

    peer: Peer
    network: Network
    public: nn.Module
    clips: Tensor
    """uint8 (N, 3, T, H, W), on the device."""
    labels: Tensor
    precision: str

    @property
    def device(self) -> torch.device:
        return self.clips.device

    def ours(self, compiled: bool) -> Callable[[], None]:
        """Return the step of `stspec train`; numbers of a step are fetched in the next one."""
        changes = {"batch": len(self.clips), "precision": self.precision, "compile": compiled}
        recipe = load_recipe("study2021", [*changes.items(), ("optimizer.lr", LR)])
        feed = SimpleNamespace(
            classes=tuple(map(str, range(CLASSES))), multi_label=False, count=len(self.clips)
        )
        module = build_module(self.network)
        load_weights(self.network, module, self.public.state_dict(), self.peer.code)
        world = World(device=self.device)
        given = Given(self.network, recipe, cast("Feed", feed), world, 0, Silence())
        stage = build_stage(given, 0, module)
        stage.train_mode()
        batch = Batch(clips=self.clips, labels=self.labels, faults=[])
        pending: list[Tensor] = []
        number = 0

        def step() -> None:
            nonlocal number
            pending.append(stage.stepper.step(batch, number, False))
            number += 1
            if len(pending) > 1:
                assert pending.pop(0).isfinite().all()

        return step

    def theirs(self, last: bool, compiled: bool) -> Callable[[], None]:
        """Return the shortest step of the public model."""
        module = self._copy().train()
        module = in_channels_last(module) if last else module
        runner = cast("nn.Module", torch.compile(module)) if compiled else module
        optimizer = torch.optim.SGD(module.parameters(), LR, 0.9, weight_decay=5e-4)
        clips = self.peer.public_input(self._normalised())
        assert isinstance(clips, Tensor)
        if last and clips.dim() > 4:
            clips = clips.contiguous(memory_format=torch.channels_last_3d)
        dtype, place = TYPES[self.precision], self.device.type
        mixed = dtype is not torch.float32

        def step() -> None:
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(place, dtype if mixed else torch.bfloat16, enabled=mixed):
                scores = runner(clips)
            F.cross_entropy(scores.float(), self.labels).backward()
            optimizer.step()

        return step

    def difference(self) -> float:
        """Return the greatest difference of the outputs in float32, relative to the greatest."""
        ours = build_module(self.network)
        load_weights(self.network, ours, self.public.state_dict(), self.peer.code)
        with torch.no_grad():
            mine = ours.to(self.device).eval()(self._normalised()[:1])
            public = self._copy().eval()(self.peer.public_input(self._normalised()[:1]))
        return float((mine - public).abs().max() / public.abs().max())

    def _copy(self) -> nn.Module:
        return copy.deepcopy(self.public).to(self.device)

    def _normalised(self) -> Tensor:
        data = load_recipe("study2021").data
        return Normalise(data.mean, data.std, self.device)(self.clips)


def subject(name: str, frames: int, options: argparse.Namespace, clones: Clones) -> Subject:
    """Return a model of so many frames beside the public one."""
    peer = BY_NAME[name]
    peer = dataclasses.replace(peer, arguments={**peer.arguments, "groups": frames})
    sets = [f"clip.frames={frames}", f"clip.size={options.size}", f"classes={CLASSES}"]
    torch.manual_seed(0)
    device = torch.device(options.device)
    shape = (options.batch, 3, frames, options.size, options.size)
    clips = torch.randint(0, 256, shape, dtype=torch.uint8).to(device)
    labels = (torch.arange(options.batch) % CLASSES).to(device)
    network = load(peer.target, sets)
    return Subject(peer, network, clones.build(peer), clips, labels, options.precision)


def sides(found: Subject, frames: int, compiling: bool) -> Iterator[Side]:
    """Yield each side, warmed up, the memory of what stands beside it not counted."""
    kinds = [False, True] if compiling else [False]
    made: list[tuple[str, Callable[[], Callable[[], None]]]] = []
    for compiled in kinds:
        word = ", compiled" if compiled else ""
        made.append((OURS + word, partial(found.ours, compiled)))
        for last in (False, True):
            how = f"public, {'channels-last' if last else 'contiguous'}{word}"
            made.append((how, partial(found.theirs, last, compiled)))
    for how, make in made:
        before = 0
        if found.device.type == "cuda":
            before = torch.cuda.memory_allocated(found.device)
        side = Side(found.peer.name, frames, how, make(), found.device, len(found.clips))
        side.warm_up(before)
        yield side


def measure(found: Subject, frames: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time all sides of a model in turns; the ratio is to the public model's best setting."""
    all_sides = list(sides(found, frames, not options.no_compile))
    for _ in range(options.rounds):
        for side in all_sides:
            side.times.append(side.turn())
    for side in all_sides:
        side.find_busy()
    best = min(side.seconds for side in all_sides if not side.how.startswith(OURS))
    difference = found.difference()
    return [
        {**side.row(), "ratio": best / side.seconds, "difference": difference}
        for side in all_sides
    ]  # fmt: skip


def line(row: dict[str, Any]) -> str:
    """Return a row of the table."""
    memory = "-" if row["memory"] is None else f"{row['memory'] / (1 << 30):.2f} GiB"
    idle = "-" if row["not_gpu"] is None else f"{row['not_gpu']:.1%}"
    cells = (
        f"{row['model']:<14}{row['frames']:>7}  {row['how']:<34}{row['clips_s']:>9.1f}"
        f"{row['ms_step']:>10.1f}{memory:>12}{idle:>9}{row['ratio']:>8.2f}"
    )
    return cells + f"{row['difference']:>10.0e}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [name for name, peer in BY_NAME.items() if peer.code == "ibm"]
    parser.add_argument("--ibm", type=Path, metavar="CLONE", required=True)
    models = ["tam_resnet50", "i3d_resnet50"]
    parser.add_argument("--models", nargs="+", choices=names, default=models, metavar="MODEL")
    parser.add_argument("--frames", nargs="+", type=int, default=[8, 32])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--precision", choices=tuple(TYPES), default="bfloat16")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here as well")
    return parser.parse_args()


def main() -> None:
    options = parse()
    torch.backends.cudnn.benchmark = True
    clones = Clones({"ibm": options.ibm})
    cuda = options.device.startswith("cuda")
    where = torch.cuda.get_device_name(options.device) if cuda else options.device
    print(f"torch {torch.__version__}, {where}, {options.precision}, batch {options.batch}")
    print(f"{'model':<14}{'frames':>7}  {'how':<34}{'clips/s':>9}{'ms/step':>10}{'memory':>12}"
          f"{'not GPU':>9}{'to best':>8}{'differs':>10}")  # fmt: skip
    rows: list[dict[str, Any]] = []
    for name in options.models:
        for frames in options.frames:
            found = measure(subject(name, frames, options, clones), frames, options)
            rows += found
            print("\n".join(map(line, found)), flush=True)
            if options.json:
                write_output(options.json, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
