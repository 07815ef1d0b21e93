"""Emitted models against public implementations of the same networks, side by side in one run.

    python -m benchmarks.peers [--ibm CLONE] [--pytorchvideo CLONE] [--models slow_r50 ...]
        [--modes fp32 bf16 train compile] [--rounds 15] [--batch 1] [--clock wall | cpu]
        [--json FILE] [--markdown]

CLONE is a checkout of IBM/action-recognition-pytorch or of facebookresearch/pytorchvideo (which
imports fvcore and iopath); torchvision need only be importable. Without --models, all pairs of the
code bases that were named run. Both sides hold the same weights, and their outputs are compared.

The sides alternate on the CPU; the minimum and the median of each are kept, and ratios are of
minima. The public model runs twice: contiguous, as its users run it, and with weights and input in
channels-last memory; the faster is its best. Ours runs as emitted, from the contiguous clip.

fp32, bf16   forward without gradients, in float32 and under bfloat16 autocast
train        forward, cross entropy, backward and a step of SGD, in both precisions
compile      ours through torch.compile with freezing, under bfloat16 autocast, against the limit:
             its MACs at the speed of one large bfloat16 matmul of the same run

--clock cpu counts the processor time of all threads instead of the time that passes, for a machine
that is shared; OMP_WAIT_POLICY=passive keeps threads that wait from counting.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.public import BY_NAME, CLASSES, Clones, Input, Peer
from stspec.module import build_module, load_weights
from stspec.network import Network, load
from stspec.output import write_output

Mode = Literal["fp32", "bf16", "train fp32", "train bf16", "compile"]
MODES: dict[str, tuple[Mode, ...]] = {
    "fp32": ("fp32",),
    "bf16": ("bf16",),
    "train": ("train fp32", "train bf16"),
    "compile": ("compile",),
}
OURS, USUAL, CHANNELS_LAST, MATMUL = "ours", "public", "public, channels-last", "matmul"
MATRIX = 3072  # rows and columns of the matmul that sets the limit
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


def call(module: nn.Module, clip: Input) -> Tensor:
    """Run a module on a clip, or on a clip per pathway: a list, which the module may write to."""
    return cast("Tensor", module(clip if isinstance(clip, Tensor) else list(clip)))


def calibrate(module: nn.Module, clip: Input) -> None:
    """Set the running statistics of norms to those of a clip, so that activations stay finite."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d):
            norm.momentum = 1.0
    with torch.no_grad():
        call(module.train(), clip)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d):
            norm.momentum = 0.1


def channels_last(tensor: Tensor) -> Tensor:
    """Return a tensor in channels-last memory, in 2D and in 3D."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    if tensor.dim() not in formats:
        return tensor
    return tensor.contiguous(memory_format=formats[tensor.dim()])


def in_channels_last(module: nn.Module) -> nn.Module:
    """Return a copy whose weights lie in channels-last memory."""
    module = copy.deepcopy(module)
    for parameter in module.parameters():
        parameter.data = channels_last(parameter.data)
    return module


@dataclass
class Side:
    """Something to be timed, and its times in milliseconds."""

    label: str
    run: Callable[[], object]
    clock: Callable[[], float]
    times: list[float] = field(default_factory=list)

    def measure(self) -> None:
        start = self.clock()
        self.run()
        self.times.append((self.clock() - start) * 1e3)

    @property
    def best(self) -> float:
        return min(self.times)


def forward(module: nn.Module, clip: Input, bf16: bool) -> Callable[[], Tensor]:
    """Return inference on a clip."""
    module.eval()

    def run() -> Tensor:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return call(module, clip)

    return run


def training(module: nn.Module, clip: Input, bf16: bool) -> Callable[[], None]:
    """Return a training step on a clip."""
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-4, momentum=0.9)
    batch = len(clip) if isinstance(clip, Tensor) else len(clip[0])
    target = torch.zeros(batch, dtype=torch.long)

    def run() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = call(module, clip)
        F.cross_entropy(logits.float(), target).backward()
        optimizer.step()

    return run


def compiled(module: nn.Module, clip: Tensor) -> Callable[[], Tensor]:
    """Return inference through torch.compile, with weights frozen into the graph."""
    from torch._inductor import config

    config.freezing = True
    torch._dynamo.reset()
    return forward(cast("nn.Module", torch.compile(module.eval())), clip, bf16=True)


def matmul() -> Callable[[], Tensor]:
    """Return a large bfloat16 matmul."""
    a, b = (torch.randn(MATRIX, MATRIX).bfloat16() for _ in range(2))
    return lambda: torch.matmul(a, b)


@dataclass(frozen=True)
class Pair:
    """A model of ours and its public counterpart, with the same weights, and a clip for both."""

    peer: Peer
    network: Network
    ours: nn.Module
    public: nn.Module
    clip: Tensor

    @classmethod
    def build(cls, peer: Peer, clones: Clones, batch: int) -> Pair:
        torch.manual_seed(0)
        network = load(peer.target, [f"classes={CLASSES}", *peer.set])
        clip = torch.randn(batch, *network.spec.model.clip.shape.sizes)
        public = clones.build(peer)
        calibrate(public, peer.public_input(clip))
        ours = build_module(network)
        load_weights(network, ours, public.state_dict(), peer.code)
        return cls(peer, network, ours, public, clip)

    @property
    def macs(self) -> int:
        return self.network.facts.macs().total() * len(self.clip)

    def difference(self) -> float:
        """Return the greatest difference of the outputs, relative to the greatest output."""
        ours = forward(self.ours, self.clip, bf16=False)()
        theirs = forward(self.public, self.peer.public_input(self.clip), bf16=False)()
        return float((ours - theirs).abs().max() / theirs.abs().max())

    def sides(self, mode: Mode, clock: Callable[[], float]) -> list[Side]:
        """Return what a mode times, ours first."""
        ours = copy.deepcopy(self.ours)
        if mode == "compile":
            matrices = Side(MATMUL, matmul(), clock)
            return [Side(OURS, compiled(ours, self.clip), clock), matrices]
        prepare = training if mode.startswith("train") else forward
        bf16 = mode.endswith("bf16")
        clip = self.peer.public_input(self.clip)
        last = channels_last(clip) if isinstance(clip, Tensor) else [*map(channels_last, clip)]
        usual, laid = copy.deepcopy(self.public), in_channels_last(self.public)
        return [
            Side(OURS, prepare(ours, self.clip, bf16), clock),
            Side(USUAL, prepare(usual, clip, bf16), clock),
            Side(CHANNELS_LAST, prepare(laid, last, bf16), clock),
        ]


@dataclass(frozen=True)
class Result:
    """A model in a mode: milliseconds by side, and what they come to.

    Attributes:
        difference: of the outputs in float32, relative.
        ratio: the public model as its users run it over ours; with ``compile``, the limit over
            ours.
        ratio_best: the public model in its best memory format over ours.
    """

    model: str
    mode: Mode
    difference: float
    minimum: dict[str, float]
    median: dict[str, float]
    ratio: float
    ratio_best: float | None


def measure(pair: Pair, mode: Mode, rounds: int, clock: str, difference: float) -> Result:
    """Time all sides of a mode in turns."""
    sides = pair.sides(mode, CLOCKS[clock])
    for side in sides:
        for _ in range(2):
            side.run()
    for _ in range(rounds):
        for side in sides:
            side.measure()
    minimum = {side.label: side.best for side in sides}
    median = {side.label: statistics.median(side.times) for side in sides}
    ours = minimum[OURS]
    if mode == "compile":
        ratio = minimum[MATMUL] * pair.macs / MATRIX**3 / ours
        return Result(pair.peer.name, mode, difference, minimum, median, ratio, None)
    best = min(minimum[USUAL], minimum[CHANNELS_LAST])
    ratios = minimum[USUAL] / ours, best / ours
    return Result(pair.peer.name, mode, difference, minimum, median, *ratios)


def line(result: Result, markdown: bool) -> str:
    """Return a row of the table."""

    def cell(label: str) -> str:
        if label not in result.minimum:
            return "-"
        return f"{result.minimum[label]:.1f} ({result.median[label]:.1f})"

    if result.ratio_best is None:
        ratios = [f"{result.ratio:.2f} of limit", "-"]
    else:
        ratios = [f"{result.ratio:.2f}x", f"{result.ratio_best:.2f}x"]
    cells = [cell(label) for label in (OURS, USUAL, CHANNELS_LAST)]
    return row([result.model, result.mode, *cells, *ratios, f"{result.difference:.0e}"], markdown)


def row(cells: Sequence[str], markdown: bool) -> str:
    if markdown:
        return f"| {' | '.join(cells)} |"
    widths = (16, 11, 15, 15, 22, 14, 8, 8)
    return " ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def header(markdown: bool) -> str:
    titles = ["model", "mode", OURS, USUAL, CHANNELS_LAST, "ratio", "to best", "differs"]
    text = row(titles, markdown)
    return f"{text}\n|{'---|' * len(titles)}" if markdown else text


def results(options: argparse.Namespace) -> Iterator[Result]:
    clones = Clones({"ibm": options.ibm, "pytorchvideo": options.pytorchvideo})
    chosen = [BY_NAME[name] for name in options.models or BY_NAME]
    for peer in chosen:
        if not clones.has(peer):
            if options.models:
                raise SystemExit(f"{peer.name}: name a checkout with --{peer.code}")
            continue
        pair = Pair.build(peer, clones, options.batch)
        difference = pair.difference()
        for asked in options.modes:
            for mode in MODES[asked]:
                yield measure(pair, mode, options.rounds, options.clock, difference)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ibm", type=Path, metavar="CLONE", help="IBM's code base")
    parser.add_argument("--pytorchvideo", type=Path, metavar="CLONE", help="Facebook's code base")
    parser.add_argument("--models", nargs="+", choices=tuple(BY_NAME), metavar="MODEL")
    parser.add_argument("--modes", nargs="+", choices=tuple(MODES), default=tuple(MODES))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here as well")
    parser.add_argument("--markdown", action="store_true", help="print a table in Markdown")
    return parser.parse_args()


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    setting = f"torch {torch.__version__}, {options.threads} threads, batch {options.batch}"
    print(f"{setting}; milliseconds ({options.clock}): minimum (median)\n")
    print(header(options.markdown), flush=True)
    found: list[dict[str, Any]] = []
    for result in results(options):
        print(line(result, options.markdown), flush=True)
        found.append(dataclasses.asdict(result))
        if options.json:
            write_output(options.json, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
