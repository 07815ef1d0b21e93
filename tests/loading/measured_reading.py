"""A program that prints by how many KiB a reader's own memory grows while it reads 4,000 clips.

python -m tests.loading.measured_reading

Once with samples as a data set holds them, once with samples as objects, in a process that holds
little else: what is measured is copies of pages that a fork shares, and no others are in the way.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path
from typing import Any

from stspec.data.dataset import ClipDataset
from stspec.data.loader import train_loader
from stspec.data.sample import Manifest, Sample
from tests.loading.made import augmentation, opener


def own_pages(process: int) -> int:
    """Return the KiB of memory that a process shares with no other."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8")
    rows = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return sum(int(rows[key].split()[0]) for key in ("Private_Clean", "Private_Dirty"))


def growth(data: ClipDataset) -> int:
    loader = train_loader(data, batch=20, workers=1, persistent=True)
    batches = iter(loader)
    for _ in range(50):  # what a reader needs for itself, it has by then
        next(batches)
    (reader,) = multiprocessing.active_children()
    start = own_pages(reader.pid or 0)
    for _ in range(200):
        next(batches)
    return own_pages(reader.pid or 0) - start


def main() -> None:
    samples = tuple(
        Sample(f"v{k}", f"folder/of/videos/number/v{k}.mp4", (k % 3,)) for k in range(100_000)
    )
    found = Manifest(Path("/made"), samples, ("a", "b", "c"))
    data = ClipDataset(found, augmentation(classes=("a", "b", "c")), seed=0, opener=opener)
    packed = growth(data)
    objects: Any = samples
    data._samples = objects
    sys.stdout.write(json.dumps({"packed": packed, "objects": growth(data)}) + "\n")


if __name__ == "__main__":
    main()
