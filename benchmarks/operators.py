"""Temporal operators against public formulations of the same functions, in one run.

    python -m benchmarks.operators [--repeat 7] [--threads 2] [--only tam]

The public side is written as the public code bases write it, and timed in contiguous and in
channels-last memory; the faster of both counts. Both sides alternate, and the minimum of each is
kept. Milliseconds; batch 1; bf16 is autocast with float32 weights.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from templates.modules import attention, pool, shift, tam

T = 8
MAPS = [(256, 56), (256, 28), (1024, 14)]
LAYOUTS = (torch.contiguous_format, torch.channels_last)
Run = Callable[..., Tensor]


@dataclass(frozen=True)
class Case:
    """An operator, its public formulation, and the shapes (C, H, W) of the frames it takes."""

    name: str
    ours: nn.Module
    public: Run
    inputs: tuple[tuple[int, int, int], ...]


def aggregate(weight: Tensor, groups: int, maximum: bool) -> Run:
    """One 1x1 convolution per frame, shifted by padding, stacked, then reduced."""
    count = weight.shape[2]

    def run(x: Tensor) -> Tensor:
        shifted = []
        for i in range(count):
            blend = F.conv2d(x, weight[:, :, i], groups=groups).view(-1, T, *x.shape[1:])
            before, after = max(count // 2 - i, 0), max(i - count // 2, 0)
            padded = F.pad(blend, (0, 0, 0, 0, 0, 0, before, after))
            shifted.append(padded[:, after : after + T])
        stacked = torch.stack(shifted)
        out = stacked.max(0).values if maximum else stacked.sum(0)
        return F.relu(out, inplace=True).flatten(0, 1)

    return run


def assign_shift(x: Tensor) -> Tensor:
    """Slices written into zeros."""
    clip = x.view(-1, T, *x.shape[1:])
    fold = clip.shape[2] // 8
    out = torch.zeros_like(clip)
    out[:, :-1, :fold] = clip[:, 1:, :fold]
    out[:, 1:, fold : 2 * fold] = clip[:, :-1, fold : 2 * fold]
    out[:, :, 2 * fold :] = clip[:, :, 2 * fold :]
    return out.view(x.shape)


def pool_clip(kind: type[nn.Module]) -> Run:
    """A 3D pool between two changes of layout."""
    layer = kind((3, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0))

    def run(x: Tensor) -> Tensor:
        out: Tensor = layer(x.view(-1, T, *x.shape[1:]).transpose(1, 2))
        return out.transpose(1, 2).contiguous().view(-1, *x.shape[1:])

    return run


def positions(x: Tensor) -> Tensor:
    """(T, C, H, W) -> (1, C, T*H*W)."""
    return x.transpose(0, 1).reshape(1, x.shape[1], -1)


def write_pairs(weigh: Callable[[Tensor, Tensor], Tensor]) -> Run:
    """All pairs of positions, weighted by a function of theta (1, P, C) and phi (1, C, Q)."""

    def run(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
        weights = weigh(positions(theta).transpose(1, 2), positions(phi))
        y = torch.matmul(weights, positions(g).transpose(1, 2))
        y = y.permute(0, 2, 1).contiguous().view(g.shape[1], T, *theta.shape[2:])
        return y.transpose(0, 1)

    return run


def softmax(theta: Tensor, phi: Tensor) -> Tensor:
    return torch.matmul(theta, phi).softmax(-1)


def dot_product(theta: Tensor, phi: Tensor) -> Tensor:
    return torch.matmul(theta, phi) / phi.shape[2]


def concatenate(weight: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """A 1x1 convolution over written-out pairs."""

    def weigh(theta: Tensor, phi: Tensor) -> Tensor:
        rows = theta.transpose(1, 2).unsqueeze(3).repeat(1, 1, 1, phi.shape[2])
        columns = phi.unsqueeze(2).repeat(1, 1, theta.shape[1], 1)
        pairs = torch.cat((rows, columns), 1)
        return F.relu(F.conv2d(pairs, weight.view(1, -1, 1, 1))).squeeze(1) / phi.shape[2]

    return weigh


def cases() -> Iterator[Case]:
    for c, s in MAPS:
        frames = ((c, s, s),)
        for name, kind, groups, maximum in (
            ("tam", tam.TemporalAggregation, c, False),
            ("tam max", tam.MaxTemporalAggregation, c, True),
            ("tam dense", tam.DenseTemporalAggregation, 1, False),
        ):
            module = kind(c, T)
            yield Case(name, module, aggregate(module.weight, groups, maximum), frames)
        yield Case("shift", shift.TemporalShift(T), assign_shift, frames)
        yield Case("max pool", pool.TemporalMaxPool(T), pool_clip(nn.MaxPool3d), frames)
        yield Case("average pool", pool.TemporalAvgPool(T), pool_clip(nn.AvgPool3d), frames)
    for c, s in ((256, 28), (512, 14)):
        sampled = ((c, s, s), (c, s // 2, s // 2), (c, s // 2, s // 2))
        yield Case("softmax", attention.SoftmaxAttention(T), write_pairs(softmax), sampled)
        dot = attention.DotProductAttention(T)
        yield Case("dot product", dot, write_pairs(dot_product), sampled)
    small = ((256, 14, 14), (256, 7, 7), (256, 7, 7))
    concatenation = attention.ConcatenationAttention(256, T)
    pairs = write_pairs(concatenate(concatenation.weight))
    yield Case("concatenation", concatenation, pairs, small)


class Contender:
    """One side of a comparison, ready to be timed."""

    def __init__(self, run: Run, inputs: list[Tensor], leaves: list[Tensor], bf16: bool) -> None:
        self.run, self.inputs, self.bf16 = run, inputs, bf16
        self.leaves = [*inputs, *leaves]
        self.forward_time = self.training_time = float("inf")
        out = self.forward()
        self.grad = torch.ones_like(out)

    def forward(self) -> Tensor:
        context: AbstractContextManager[object] = nullcontext()
        if self.bf16:
            context = torch.autocast("cpu", torch.bfloat16)
        with context:
            return self.run(*self.inputs)

    def measure(self) -> None:
        start = time.perf_counter()
        with torch.no_grad():
            self.forward()
        middle = time.perf_counter()
        torch.autograd.grad(self.forward(), self.leaves, self.grad)
        end = time.perf_counter()
        self.forward_time = min(self.forward_time, (middle - start) * 1e3)
        self.training_time = min(self.training_time, (end - middle) * 1e3)


def contenders(case: Case, bf16: bool) -> tuple[Contender, list[Contender]]:
    """Ours, and the public formulation in every layout in which it runs."""
    leaves: list[Tensor] = list(case.ours.parameters())
    runs: list[tuple[Run, torch.memory_format]] = [(case.ours, torch.channels_last)]
    runs += [(case.public, layout) for layout in LAYOUTS]
    sides = []
    for run, layout in runs:
        inputs = [
            torch.randn(T, *shape, dtype=torch.bfloat16 if bf16 else torch.float32)
            .contiguous(memory_format=layout)
            .requires_grad_()
            for shape in case.inputs
        ]
        try:
            sides.append(Contender(run, inputs, leaves, bf16))
        except RuntimeError:  # views of channels-last, bfloat16 on CPUs
            continue
    return sides[0], sides[1:]


def compare(case: Case, bf16: bool, repeat: int) -> str:
    """A line of the table."""
    ours, public = contenders(case, bf16)
    for _ in range(repeat):
        for side in (ours, *public):
            side.measure()
    shape = "x".join(map(str, case.inputs[0]))
    line = f"{case.name:14} {shape:12} {'bf16' if bf16 else 'fp32'} "
    for ms, others in (
        (ours.forward_time, [side.forward_time for side in public]),
        (ours.training_time, [side.training_time for side in public]),
    ):
        best = min(others, default=float("nan"))
        line += f"{best:10.2f} {ms:8.2f} {best / ms:7.1f}x"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="start of an operator's name")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{'':32}{'forward':>10}{'':19}{'forward and backward':>26}")
    columns = f"{'public':>10} {'ours':>8} {'ratio':>8}"
    print(f"{'operator':14} {'frames':12} type {columns}{columns}")
    for case in cases():
        if case.name.startswith(options.only):
            for bf16 in (False, True):
                print(compare(case, bf16, options.repeat), flush=True)


if __name__ == "__main__":
    main()
