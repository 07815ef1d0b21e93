"""Small videos, and a small trained model, made for tests."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from stspec.module import build_module
from stspec.network import load
from stspec.weights.checkpoint import write_safetensors

SPEC = """
stspec: 1
backbone:
  layers:
    conv1: {op: conv2d, width: 8, kernel: 3, stride: 2}
    relu1: {op: relu}
    conv2: {op: conv3d, width: 6, kernel: 3}
clip: {frames: 4, size: 16}
policy: {}
classes: 3
"""


CLASSES = ("up", "down", "left")


def make_video(
    path: Path, frames: int = 12, rate: int = 8, size: tuple[int, int] = (32, 24)
) -> Path:
    """Write an H.264 video whose frames grow brighter, each by the same step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            grey = np.full((size[1], size[0], 3), 16 + 200 * number // max(1, frames), np.uint8)
            grey[: size[1] // 2, : size[0] // 2] = (number * 37) % 200
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        container.mux(stream.encode(None))
    return path


def make_model(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Write a spec and weights of it; return both files."""
    import torch

    spec, weights = folder / "tiny.yaml", folder / "tiny.safetensors"
    spec.write_text(SPEC)
    torch.manual_seed(seed)
    module = build_module(load(str(spec)))
    for parameter in module.parameters():
        parameter.data.uniform_(-0.5, 0.5)
    write_safetensors(weights, module.state_dict(), {"classes": list(CLASSES)})
    return spec, weights
