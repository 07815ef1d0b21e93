"""What this machine has for training and running on video, and what is known to be wrong with it.

May import `data`. Every check is a function of plain values, so that it can be tested for versions
that are not here.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

Status = Literal["ok", "note", "fault"]
"""All is well; something is worth knowing; something will fail or give wrong results."""

SHARED_MEMORY = 1 << 30
"""Bytes of /dev/shm that a few workers with batches of video need."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    status: Status
    text: str
    help: str = ""


def examine() -> list[Finding]:
    """Return what was found: Python, torch, CUDA, decoders, shared memory, cores."""
    return [*_python(), *_torch(), *_decoders(), *_machine()]


def conv3d_faults(torch: str, cudnn: int | None, bfloat16: bool = True) -> Iterator[Finding]:
    """Yield what is known of 3D convolutions in versions of torch and cuDNN.

    Args:
        torch: version of torch.
        cudnn: version as torch tells it (91002 is 9.10.2); None: no CUDA.
        bfloat16: whether the device computes in bfloat16.
    """
    if cudnn is None:
        return
    release = version_numbers(torch)
    install = "pip install 'nvidia-cudnn-cu12>=9.15' (cu13 for CUDA 13)"
    if release[:2] == (2, 9) and (release < (2, 9, 1) or cudnn < 91500):
        # torch 2.9.0 turns cuDNN off for every conv3d in half precision, 2.9.1 below cuDNN 9.15.
        text = f"torch {torch} with {cudnn_name(cudnn)}: conv3d under AMP runs without cuDNN, "
        text += "about 4 times slower and in many times the memory (pytorch issues 166122, 166643)"
        upgrade = "torch 2.10 or later, or torch 2.9.1 with cuDNN 9.15: "
        yield Finding("conv3d", "fault", text, upgrade + install)
    elif bfloat16 and 90800 <= cudnn < 91300:
        text = f"{cudnn_name(cudnn)}: conv3d in bfloat16 may give wrong results on large outputs "
        text += "(9.8 to 9.12, 9.10 among them; pytorch issue 163539)"
        yield Finding("conv3d", "fault", text, f"{install}, or train in float16 or float32")


def version_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a version, three at least: ``2.9.0+cu128`` is (2, 9, 0)."""
    numbers = []
    for part in text.split("+")[0].split("."):
        digits = "".join(c for c in part if c.isdigit()) if part[:1].isdigit() else ""
        if not digits:
            break
        numbers.append(int(digits if part.isdigit() else digits[:1]))
    return (*numbers, 0, 0, 0)[: max(3, len(numbers))]


def cudnn_name(number: int) -> str:
    """Return cuDNN's version in words: 91002 is 9.10.2, 8902 is 8.9.2."""
    unit = 10000 if number >= 90000 else 1000
    return f"cuDNN {number // unit}.{number % unit // 100}.{number % 100}"


def shared_memory(size: int | None) -> Finding:
    """Say whether workers can hand their clips over; `size` is /dev/shm's in bytes."""
    if size is None:
        return Finding("shared memory", "note", "there is no /dev/shm to look at")
    text = f"{size / (1 << 30):.1f} GiB in /dev/shm"
    if size >= SHARED_MEMORY:
        return Finding("shared memory", "ok", text)
    help = "docker run --shm-size 8g, or fewer workers: they end with a bus error where it is full"
    return Finding("shared memory", "fault", text, help)


def pyav(found: str | None, ffmpeg: str, missing: tuple[str, ...]) -> Finding:
    """Say whether PyAV decodes; `missing` are the decoders that its FFmpeg lacks."""
    if found is None:
        help = "pip install 'stspec[video]'"
        return Finding("PyAV", "fault", "not installed: no video can be read", help)
    text = f"{found}, FFmpeg {ffmpeg}"
    if missing:
        lacks = f"; it cannot decode {', '.join(missing)}"
        return Finding("PyAV", "note", text + lacks, "pip install --force-reinstall av")
    return Finding("PyAV", "ok", text)


def _python() -> Iterator[Finding]:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    good = sys.version_info >= (3, 11)
    yield Finding("Python", "ok" if good else "fault", text, "" if good else "3.11 or later")


def _torch() -> Iterator[Finding]:
    import torch

    release = str(torch.__version__)
    old = version_numbers(release) < (2, 6)
    help = "pip install --upgrade torch: 2.6 or later is needed"
    yield Finding("torch", "fault" if old else "ok", release, help if old else "")
    if not torch.cuda.is_available():
        built = torch.version.cuda
        text = f"none (torch is built for CUDA {built})" if built else "none: torch is for CPUs"
        yield Finding("GPU", "note", text, "nvidia-smi tells whether there is one" if built else "")
        return
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        memory = about.total_memory / (1 << 30)
        yield Finding("GPU", "ok", f"{about.name}, {memory:.0f} GiB")
    cudnn = torch.backends.cudnn.version()
    name = cudnn_name(cudnn) if cudnn else "no cuDNN"
    yield Finding("CUDA", "ok" if cudnn else "fault", f"{torch.version.cuda}, {name}")
    yield from conv3d_faults(release, cudnn, torch.cuda.is_bf16_supported())


def _decoders() -> Iterator[Finding]:
    yield _pyav()
    from stspec.data.torchcodec import why_not

    reason = why_not()
    if reason is None:
        yield Finding("torchcodec", "ok", version("torchcodec"))
    else:
        absent = "not installed" in reason
        text = "not installed (PyAV is used)" if absent else reason
        help = "" if absent else "it needs FFmpeg's libraries, and the torch it was built for"
        yield Finding("torchcodec", "note", text, help)


def _pyav() -> Finding:
    try:
        import av
    except ImportError:
        return pyav(None, "", ())
    wanted = ("h264", "hevc", "mpeg4", "vp8", "vp9", "av1", "mjpeg", "png")
    missing = tuple(name for name in wanted if name not in av.codecs_available)
    return pyav(av.__version__, str(getattr(av, "ffmpeg_version_info", "?")), missing)


def _machine() -> Iterator[Finding]:
    memory = Path("/dev/shm")
    try:
        size = shutil.disk_usage(memory).total if memory.is_dir() else None
    except OSError:
        size = None
    yield shared_memory(size)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("OMP_NUM_THREADS")
    said = f", OMP_NUM_THREADS={threads}" if threads else ""
    yield Finding("cores", "ok", f"{cores}{said}")
    for name in ("safetensors", "numpy"):
        try:
            yield Finding(name, "ok", version(name))
        except PackageNotFoundError:
            yield Finding(name, "fault", "not installed", f"pip install {name}")
