"""Memory of the workers: flat, however many samples there are and have been read."""

from __future__ import annotations

from pathlib import Path

from stspec.data.dataset import ClipDataset
from stspec.data.loader import train_loader
from stspec.data.sample import Manifest, Sample
from tests.loading.made import augmentation, opener

PROC = Path("/proc/self/task")


def own_pages(process: int) -> int:
    """Return the KiB of memory that a process shares with no other."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8")
    rows = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return sum(int(rows[key].split()[0]) for key in ("Private_Clean", "Private_Dirty"))


def children() -> set[int]:
    return {
        int(process)
        for task in PROC.iterdir()
        for process in (task / "children").read_text(encoding="utf-8").split()
    }


def test_reading_does_not_copy_the_list_into_workers() -> None:
    """200,000 samples take 60 MiB as objects, which reading would copy page by page."""
    samples = tuple(
        Sample(f"v{k}", f"folder/of/videos/number/v{k}.mp4", (k % 3,)) for k in range(200_000)
    )
    found = Manifest(Path("/made"), samples, ("a", "b", "c"))
    data = ClipDataset(found, augmentation(classes=("a", "b", "c")), seed=0, opener=opener)
    before = children()
    loader = train_loader(data, batch=20, workers=1, persistent=True)
    batches = iter(loader)
    for _ in range(20):
        next(batches)
    (worker,) = children() - before
    start = own_pages(worker)
    for _ in range(250):  # 5,000 clips from all over the list
        next(batches)
    assert own_pages(worker) - start < 6_000
    del batches, loader
