"""Record what Pillow and torchvision make of a picture: `python tests/transforms/record.py`.

Both are needed for that alone: the tests read tests/data/transforms/pictures.npz.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

FILE = Path(__file__).parents[1] / "data" / "transforms" / "pictures.npz"
SIZES = ((24, 32), (11, 70), (60, 80))
"""Smaller; narrower one way and wider the other; larger."""
FILTERS = ("bilinear", "bicubic")


def picture() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a picture (45, 61, 3): edges, a slope and noise."""
    rng = np.random.default_rng(0)
    out = rng.integers(0, 256, (45, 61, 3), np.uint8)
    out[:, :20] = np.arange(45, dtype=np.uint8)[:, None, None] * 5
    out[10:30, 25:45] = (255, 0, 128)
    return out


def main() -> None:
    # A torchvision whose compiled part does not fit torch imports once its operators are declared.
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    image: Any = import_module("PIL.Image")
    functional: Any = import_module("torchvision.transforms.v2.functional")
    original = picture()
    tensor = torch.from_numpy(original).permute(2, 0, 1)
    saved: dict[str, Any] = {"picture": original}
    for height, width in SIZES:
        for name in FILTERS:
            with_pillow = image.fromarray(original).resize(
                (width, height), image.Resampling[name.upper()]
            )
            saved[f"pillow {name} {height}x{width}"] = np.asarray(with_pillow)
            for smooth in (True, False):
                out = functional.resize(
                    tensor, [height, width], functional.InterpolationMode(name), antialias=smooth
                )
                key = f"torchvision {name} {smooth} {height}x{width}"
                saved[key] = out.permute(1, 2, 0).numpy()
    for side in (20, 45, 50):
        for turned in (False, True):
            shape = functional.resize(tensor.mT if turned else tensor, side).shape[1:]
            saved[f"short side {side} {turned}"] = np.array(shape)
    for size in ((40, 40), (31, 28), (45, 61)):
        out = functional.center_crop(tensor, list(size)).permute(1, 2, 0)
        saved[f"center {size[0]}x{size[1]}"] = out.numpy()
    corners = functional.five_crop(tensor, [30, 40])
    saved["five"] = torch.stack(corners).permute(0, 2, 3, 1).numpy()
    normal = functional.normalize(
        tensor.float() / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    )
    saved["normalised"] = normal.numpy()
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **saved)


if __name__ == "__main__":
    main()
