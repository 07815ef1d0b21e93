"""Emitted models against IBM/action-recognition-pytorch, side by side in one run.

    python benchmarks/models.py --peer PATH_TO_CLONE [--models tam_resnet50 ...]
        [--modes fp32 bf16 train compile] [--rounds 15] [--json FILE] [--markdown]

Both sides hold the same weights, and their outputs are compared. Batch 1, clips of 8 x 224 x 224,
on the CPU. The sides alternate; the minimum and the median of each are kept, and ratios are of
minima. The public model runs twice: contiguous, as its users run it, and with weights and input in
channels-last memory; the faster is its best. Ours runs as emitted, from the contiguous clip.

fp32, bf16   forward without gradients, in float32 and under bfloat16 autocast
train        forward, cross entropy, backward and a step of SGD, in both precisions
compile      ours through torch.compile with freezing, under bfloat16 autocast, against the limit:
             its MACs at the speed of one large bfloat16 matmul of the same run
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import dataclasses
import importlib
import io
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
MODELS = tuple(
    f"{family}_{backbone}"
    for backbone in ("resnet50", "resnet18", "inceptionv1")
    for family in ("tsn", "tam", "i3d", "s3d")
)
OURS, USUAL, CHANNELS_LAST, MATMUL = "ours", "public", "public, channels-last", "matmul"
CLASSES, FRAMES, SIZE = 400, 8, 224
MATRIX = 3072  # rows and columns of the matmul that sets the limit


class Public:
    """The public implementation's models, built without a download."""

    def __init__(self, clone: Path) -> None:
        if not (clone / "models" / "model_builder.py").is_file():
            sys.exit(f"{clone} is no checkout of IBM/action-recognition-pytorch")
        sys.path.insert(0, str(clone.resolve()))
        self.builders: dict[str, Callable[..., nn.Module]] = importlib.import_module(
            "models.model_builder"
        ).MODEL_TABLE
        nothing = SimpleNamespace(load_url=lambda *args, **kwargs: {})
        for name, module in list(sys.modules.items()):
            if name.startswith("models.") and hasattr(module, "model_zoo"):
                vars(module)["model_zoo"] = nothing

    def build(self, name: str) -> nn.Module:
        """Build the counterpart of a model of ours, such as ``tam_resnet50``."""
        family, backbone = name.split("_")
        depth = int(backbone.removeprefix("resnet")) if backbone.startswith("resnet") else 0
        if family in ("i3d", "s3d"):
            builder = f"{family}_resnet" if depth else family
        else:
            builder = "resnet" if depth else "inception_v1"
        with contextlib.redirect_stdout(io.StringIO()):
            return self.builders[builder](
                depth=depth,
                num_classes=CLASSES,
                groups=FRAMES,
                dropout=0.5,
                without_t_stride=True,
                pooling_method="max",
                temporal_module_name="TAM" if family == "tam" else None,
                blending_frames=3,
                blending_method="sum",
                dw_conv=True,
                dw_t_conv=False,
                imagenet_pretrained=False,
            )


def as_public(name: str, clip: Tensor) -> Tensor:
    """Give the public model its layout: its 2D models take (N, T*C, H, W)."""
    if name.startswith(("tsn", "tam")):
        return clip.transpose(1, 2).flatten(1, 2).contiguous()
    return clip


def calibrate(module: nn.Module, clip: Tensor) -> None:
    """Set the running statistics of norms to those of a clip, so that activations stay finite."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d):
            norm.momentum = 1.0
    with torch.no_grad():
        module.train()(clip)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d):
            norm.momentum = 0.1


def in_channels_last(module: nn.Module) -> nn.Module:
    """Return a copy whose weights lie in channels-last memory, in 2D and in 3D."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    module = copy.deepcopy(module)
    for parameter in module.parameters():
        if parameter.dim() in formats:
            parameter.data = parameter.data.contiguous(memory_format=formats[parameter.dim()])
    return module


@dataclass
class Side:
    """Something to be timed, and its times in milliseconds."""

    label: str
    run: Callable[[], object]
    times: list[float] = field(default_factory=list)

    def measure(self) -> None:
        start = time.perf_counter()
        self.run()
        self.times.append((time.perf_counter() - start) * 1e3)

    @property
    def best(self) -> float:
        return min(self.times)


def forward(module: nn.Module, clip: Tensor, bf16: bool) -> Callable[[], Tensor]:
    """Return inference on a clip."""
    module.eval()

    def run() -> Tensor:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return cast("Tensor", module(clip))

    return run


def training(module: nn.Module, clip: Tensor, bf16: bool) -> Callable[[], None]:
    """Return a training step on a clip."""
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-4, momentum=0.9)
    target = torch.zeros(len(clip), dtype=torch.long)

    def run() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = module(clip)
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
    """A model of ours and its public counterpart, with the same weights, and clips for both."""

    name: str
    network: Network
    ours: nn.Module
    public: nn.Module
    clip: Tensor

    @classmethod
    def build(cls, name: str, public: Public) -> Pair:
        torch.manual_seed(0)
        clip = torch.randn(1, 3, FRAMES, SIZE, SIZE)
        theirs = public.build(name)
        calibrate(theirs, as_public(name, clip))
        network = load(name, [f"classes={CLASSES}"])
        ours = build_module(network)
        load_weights(network, ours, theirs.state_dict(), "ibm")
        return cls(name, network, ours, theirs, clip)

    @property
    def macs(self) -> int:
        return self.network.facts.macs().total()

    def difference(self) -> float:
        """Return the greatest difference of the outputs, relative to the greatest output."""
        ours = forward(self.ours, self.clip, bf16=False)()
        theirs = forward(self.public, as_public(self.name, self.clip), bf16=False)()
        return float((ours - theirs).abs().max() / theirs.abs().max())

    def sides(self, mode: Mode) -> list[Side]:
        """Return what a mode times, ours first."""
        ours = copy.deepcopy(self.ours)
        if mode == "compile":
            return [Side(OURS, compiled(ours, self.clip)), Side(MATMUL, matmul())]
        prepare = training if mode.startswith("train") else forward
        bf16 = mode.endswith("bf16")
        clip = as_public(self.name, self.clip)
        last = clip.contiguous(memory_format=torch.channels_last_3d) if clip.dim() == 5 else clip
        return [
            Side(OURS, prepare(ours, self.clip, bf16)),
            Side(USUAL, prepare(copy.deepcopy(self.public), clip, bf16)),
            Side(CHANNELS_LAST, prepare(in_channels_last(self.public), last, bf16)),
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


def measure(pair: Pair, mode: Mode, rounds: int, difference: float) -> Result:
    """Time all sides of a mode in turns."""
    sides = pair.sides(mode)
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
        return Result(pair.name, mode, difference, minimum, median, ratio, None)
    best = min(minimum[USUAL], minimum[CHANNELS_LAST])
    ratios = minimum[USUAL] / ours, best / ours
    return Result(pair.name, mode, difference, minimum, median, *ratios)


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
    public = Public(options.peer)
    for name in options.models:
        pair = Pair.build(name, public)
        difference = pair.difference()
        for asked in options.modes:
            for mode in MODES[asked]:
                yield measure(pair, mode, options.rounds, difference)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", type=Path, required=True, help="the public code base")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL")
    parser.add_argument("--modes", nargs="+", choices=tuple(MODES), default=tuple(MODES))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here as well")
    parser.add_argument("--markdown", action="store_true", help="print a table in Markdown")
    return parser.parse_args()


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads; milliseconds: minimum (median)\n")
    print(header(options.markdown), flush=True)
    found: list[dict[str, Any]] = []
    for result in results(options):
        print(line(result, options.markdown), flush=True)
        found.append(dataclasses.asdict(result))
        if options.json:
            write_output(options.json, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
