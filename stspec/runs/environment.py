"""The machine and the programs of a run, as far as results depend on them."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import torch

from stspec import __version__

EXACT = ("torch", "threads", "device", "world", "machine", "capability")
"""What must be the same for a run to go on bit for bit."""


def environment(device: torch.device, world: int) -> dict[str, Any]:
    """Return what identifies the machine: versions, processor, device, threads, processes."""
    found: dict[str, Any] = {
        "stspec": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "device": device.type,
        "world": world,
        "command": sys.argv,
    }
    if device.type == "cuda":
        found["device"] = torch.cuda.get_device_name(device)
        found["cuda"] = torch.version.cuda
        found["cudnn"] = torch.backends.cudnn.version()
    return found


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return what keeps a run from going on bit for bit: ``threads 2, was 1``."""
    return [
        f"{key} {now.get(key)}, was {before.get(key)}"
        for key in EXACT
        if before.get(key) != now.get(key)
    ]
