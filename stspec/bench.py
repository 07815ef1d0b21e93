"""How fast a network runs, and in how much memory: several side by side, interleaved in one run.

What is compared takes turns, round by round, so that a machine that slows down slows all of it.
"""

from __future__ import annotations

import gc
import importlib.util
import itertools
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from stspec.diagnostics import Diagnostic, SpecError, did_you_mean, display_path
from stspec.module import build_module
from stspec.network import Network, Overrides, Target, load

Precision = Literal["float32", "bfloat16", "float16"]
MemoryLayout = Literal["contiguous", "channels_last"]
"""Of clips and weights; ``contiguous`` leaves the weights as the module's author laid them out."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Case:
    """One setting that is measured."""

    batch: int = 1
    frames: int | None = None
    """Frames of a clip; None: the spec's."""
    precision: Precision = "float32"
    layout: MemoryLayout = "contiguous"
    compiled: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one network in one setting."""

    name: str
    clip: tuple[int, int, int, int]
    """(C, T, H, W)."""
    case: Case
    params: int
    rounds: int
    latency_min: float
    """Seconds for a batch."""
    latency_median: float
    throughput: float
    """Clips a second, at the median latency."""
    memory: int | None
    """Bytes that weights, clips and all values alive at once take at most; None: not known."""
    ratio: float | None = None
    """Median over rounds of this latency by the first network's; None for the first."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, and on what machine."""

    machine: dict[str, Any]
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"machine": self.machine, "rows": [asdict(row) for row in self.rows]}


Size = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: a name, a module for clips of so many frames, and their (C, T, H, W)."""

    name: str
    make: Callable[[int | None], nn.Module]
    size: Callable[[int | None], Size]


def of_network(target: Network | Target, overrides: Overrides = ()) -> Subject:
    """Return a spec as a subject; its weights are fresh.

    Raises:
        SpecError: if the spec is wrong.
    """
    changes = list(overrides)
    source = target.spec.tree if isinstance(target, Network) else target
    first = target if isinstance(target, Network) and not changes else load(source, changes)

    def network(frames: int | None) -> Network:
        if frames is None or frames == first.facts.input.frames:
            return first
        return load(source, [*changes, ("clip.frames", frames)])

    def size(frames: int | None) -> Size:
        clip = network(frames).spec.model.clip
        return (clip.channels, clip.frames, *clip.sides)

    return Subject(first.name, lambda frames: build_module(network(frames)), size)


def of_module(module: nn.Module, like: Subject) -> Subject:
    """Return a module as a subject, which takes clips of the same shape as `like`."""
    return Subject(type(module).__name__, lambda _frames: module, like.size)


def of_user(text: str, like: Subject) -> Subject:
    """Return a user's module as a subject: ``path.py:Class``, or a function that returns one.

    It is called without arguments and takes clips of the same shape as `like`. The file is run.

    Raises:
        SpecError: if the file, the name or the module cannot be had.
    """
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not path.is_file():
        help = "write the file and the class, such as models/mine.py:Net"
        raise SpecError(Diagnostic("no-file", f"there is no {display_path(path)}", help=help))
    namespace = vars(_run_file(path))
    if not callable(namespace.get(name)):
        own = [n for n, v in namespace.items() if callable(v) and not n.startswith("_")]
        message = f"{display_path(path)} has no class or function `{name}`"
        raise SpecError(Diagnostic("no-class", message, help=did_you_mean(name, own)))

    def make(_frames: int | None) -> nn.Module:
        try:
            module = namespace[name]()
        except Exception as error:
            raise _users(f"{text} cannot be made", error) from error
        if not isinstance(module, nn.Module):
            message = f"{text} gives {type(module).__name__}, which is no nn.Module"
            raise SpecError(Diagnostic("no-module", message))
        return module

    return Subject(name, make, like.size)


def is_users(text: str) -> bool:
    """Tell whether a text names a user's module rather than a spec."""
    return text.rpartition(":")[0].endswith(".py")


def set_threads(count: int) -> None:
    """Let torch compute with so many threads."""
    torch.set_num_threads(count)


def check_device(device: str) -> None:
    """Refuse a device that is not there.

    Raises:
        SpecError: if torch cannot use it.
    """
    try:
        torch.zeros(1, device=device)
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200]
        message = f"there is no device `{device}`: {reason}"
        raise SpecError(Diagnostic("no-device", message, help="use --device cpu")) from error


def measure(
    subjects: Sequence[Subject],
    cases: Sequence[Case],
    *,
    rounds: int = 10,
    warmup: int = 2,
    device: str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[list[Row]]:
    """Yield, for each case, a row for each subject, the first being what others are held to.

    Modules are in evaluation mode, without gradients. In each round every subject runs once; who
    begins changes from round to round.

    Raises:
        SpecError: if a module cannot be built or fails.
    """
    for case in cases:
        runs = [_prepare(subject, case, device) for subject in subjects]
        times: list[list[float]] = [[] for _ in runs]
        for _, run in itertools.product(range(warmup), runs):
            run()
        for turn in range(rounds):
            for k in range(len(runs)):
                index = (turn + k) % len(runs)
                times[index].append(_timed(runs[index], clock))
        rows = [_row(run, each, times[0]) for run, each in zip(runs, times, strict=True)]
        del runs
        gc.collect()
        yield rows


def least_latency(network: Network, device: str | None = None) -> float:
    """Return the seconds that a network takes for one clip, at the least of four times.

    Others that compute on the machine meanwhile make it longer.

    Args:
        network: any; its weights are made up, which changes no speed.
        device: cpu or cuda; the GPU where there is one.

    Raises:
        SpecError: if it cannot be built or fails there.
    """
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    run = _prepare(of_network(network), Case(), place)  # which runs it once
    return min(_timed(run, time.perf_counter) for _ in range(4))


@dataclass(slots=True)
class _Run:
    """A prepared module with its clips."""

    name: str
    case: Case
    module: nn.Module
    call: Callable[[Tensor], Any]
    clips: Tensor
    size: Size

    def __call__(self) -> None:
        """Run once, to the end."""
        with torch.inference_mode(), self.precision():
            self.call(self.clips)
        if self.clips.is_cuda:
            torch.cuda.synchronize(self.clips.device)

    def precision(self) -> AbstractContextManager[Any]:
        """Return the context of mixed precision."""
        if self.case.precision == "float32":
            return nullcontext()
        return torch.autocast(self.clips.device.type, DTYPES[self.case.precision])


def _prepare(subject: Subject, case: Case, device: str) -> _Run:
    size = subject.size(case.frames)
    module = subject.make(case.frames).eval().to(device)
    generator = torch.Generator().manual_seed(0)
    clips = torch.rand(case.batch, *size, generator=generator).to(device)
    if case.layout == "channels_last":
        clips = clips.contiguous(memory_format=torch.channels_last_3d)
        module = _channels_last(module)
    call: Callable[[Tensor], Any] = torch.compile(module) if case.compiled else module
    run = _Run(subject.name, case, module, call, clips, size)
    try:
        run()
    except Exception as error:
        shape = "x".join(map(str, clips.shape))
        raise _users(f"{subject.name} fails on clips {shape} ({_told(case)})", error) from error
    return run


def _channels_last(module: nn.Module) -> nn.Module:
    """Lay out weights of four and of five axes with their channels last."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in module.parameters():
        if parameter.dim() in formats:
            parameter.data = parameter.data.contiguous(memory_format=formats[parameter.dim()])
    return module


def _timed(run: _Run, clock: Callable[[], float]) -> float:
    start = clock()
    run()
    return clock() - start


def _row(run: _Run, times: list[float], first: list[float]) -> Row:
    median = statistics.median(times)
    ratios = [own / other for own, other in zip(times, first, strict=True) if other]
    return Row(
        name=run.name,
        clip=run.size,
        case=run.case,
        params=sum(p.numel() for p in run.module.parameters()),
        rounds=len(times),
        latency_min=min(times),
        latency_median=median,
        throughput=run.case.batch / median,
        memory=peak_memory(run.module, run, run.clips),
        ratio=None if times is first else statistics.median(ratios),
    )


def peak_memory(module: nn.Module, run: Callable[[], None], clips: Tensor) -> int | None:
    """Return the bytes of weights, clips and of all tensors alive at once in a run, at most.

    On a GPU the allocator tells; on a CPU the profiler's record of torch's allocations does,
    which leaves out what libraries take for themselves. None where there is no such record.
    """
    held = [*module.parameters(), *module.buffers(), clips]
    kept = sum(tensor.numel() * tensor.element_size() for tensor in held)
    if clips.is_cuda:
        before = torch.cuda.memory_allocated(clips.device)
        torch.cuda.reset_peak_memory_stats(clips.device)
        run()
        return kept + torch.cuda.max_memory_allocated(clips.device) - before
    allocations = _allocations(run)
    if allocations is None:
        return None
    return kept + max(itertools.accumulate(allocations, initial=0))


def _allocations(run: Callable[[], None]) -> list[int] | None:
    """Return what a run allocates (> 0) and frees (< 0), in order."""
    from torch.profiler import ProfilerActivity, profile

    with _quiet(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        run()
    try:
        # The profiler has no public list of allocations.
        events = found.profiler.kineto_results.events()
        told = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    except AttributeError:
        return None
    told.sort(key=lambda pair: pair[0])
    return [size for _, size in told]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the profiler writes to the error stream of the process to itself."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def machine(device: str = "cpu") -> dict[str, Any]:
    """Return what the figures depend on: processor, threads, versions, load."""
    told: dict[str, Any] = {
        "device": device,
        "cpu": _cpu(),
        "cores": _cores(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if device.startswith("cuda"):
        told["gpu"] = torch.cuda.get_device_name(device)
        told["cuda"] = torch.version.cuda
        told["cudnn"] = torch.backends.cudnn.version()
        told["tf32"] = torch.backends.cuda.matmul.allow_tf32
    return told


def _cores() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _run_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"stspec_bench_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _users(f"{display_path(path)} cannot be run", error) from error
    return module


def _told(case: Case) -> str:
    parts = [case.precision, case.layout, "compiled" if case.compiled else "eager"]
    return ", ".join(parts)


def _users(message: str, error: Exception) -> SpecError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return SpecError(Diagnostic("bench-failed", f"{message}: {reason}"))
