"""Clips a second over the number of workers, and memory over many clips, of the training loader.

    python -m benchmarks.loading [CLIP ...] [--workers 0 1 2] [--seconds 20] [--clips 10000]

A list of 10,000 samples names the clips given, else those of the folder STSPEC_VIDEOS, else ones
that are made here (320 x 240, H.264). Training clips of 8 x 224 x 224 are taken from them as the
2021 study does, in batches of 16; nothing trains, so that what is measured is reading alone. More
workers than cores gain nothing. Then the built-in data set's small clips are read by two workers:
MiB that processes share with no other, after every tenth of the clips (Linux).
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from stspec.data.augment import Augmentation
from stspec.data.dataset import ClipDataset
from stspec.data.loader import Batch, Loader, train_loader
from stspec.data.motions import draw, encode
from stspec.data.sample import Manifest, Sample
from stspec.rng import keyed

BATCH = 16
SUFFIXES = (".avi", ".mp4", ".webm", ".mkv")


def made_clips(folder: Path, count: int, frames: int, size: int) -> list[Path]:
    paths = [folder / f"{size}-{k}.mp4" for k in range(count)]
    for k, path in enumerate(paths):
        clip = draw(k % 12, keyed(k), frames, size)
        # A square drawing, cut to 4 x 3.
        path.write_bytes(encode(clip[:, : size * 3 // 4] if size >= 64 else clip))
    return paths


def manifest(paths: list[Path], count: int) -> Manifest:
    samples = tuple(Sample(str(k), str(paths[k % len(paths)]), (0,)) for k in range(count))
    return Manifest(Path(), samples, ("any",))


def throughput(dataset: ClipDataset, workers: int, seconds: float) -> float:
    """Return clips a second, counted from the first batch of each worker on."""
    loader = train_loader(dataset, batch=BATCH, workers=workers, persistent=True)
    batches = endless(loader)
    for _ in range(max(1, 2 * workers)):
        next(batches)
    start, clips = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        clips += len(next(batches)["indices"])
    return clips / (time.perf_counter() - start)


def endless(loader: Loader) -> Iterator[Batch]:
    epoch = 0
    while True:
        yield from loader.start(epoch)
        epoch += 1


def own_memory(process: int) -> float:
    """Return the MiB that a process shares with no other."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8")
    rows = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return sum(int(rows[key].split()[0]) for key in ("Private_Clean", "Private_Dirty")) / 1024


def children() -> list[int]:
    tasks = Path("/proc/self/task").iterdir()
    texts = [(task / "children").read_text(encoding="utf-8") for task in tasks]
    return sorted(int(child) for text in texts for child in text.split())


def memory(dataset: ClipDataset, clips: int) -> None:
    loader = train_loader(dataset, batch=BATCH, workers=2, persistent=True)
    batches, step = endless(loader), max(1, clips // 10 // BATCH)
    print(f"{'clips':>8}{'main':>8}{'workers':>18}   MiB of their own")
    for tenth in range(10):
        for _ in range(step):
            next(batches)
        workers = "".join(f"{own_memory(child):9.1f}" for child in children())
        print(f"{(tenth + 1) * step * BATCH:8}{own_memory(os.getpid()):8.1f}{workers}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("clip", nargs="*", type=Path)
    parser.add_argument("--workers", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clips", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        given = os.environ.get("STSPEC_VIDEOS")
        found = sorted(p for p in Path(given).rglob("*") if p.suffix in SUFFIXES) if given else []
        paths = options.clip or found or made_clips(Path(folder), 16, 64, 320)
        study = Augmentation(frames=8, size=(224, 224))
        dataset = ClipDataset(manifest(paths, 10_000), study, seed=0)
        print(f"{len(paths)} files, {os.cpu_count()} cores\n{'workers':>8}{'clips/s':>9}{'x':>6}")
        alone = None
        for workers in options.workers:
            speed = throughput(dataset, workers, options.seconds)
            alone = alone or speed
            print(f"{workers:8}{speed:9.1f}{speed / alone:6.2f}", flush=True)
        small = Augmentation(frames=8, size=(48, 48), short_side=48, crop="none")
        dataset = ClipDataset(manifest(made_clips(Path(folder), 24, 24, 48), 10_000), small, seed=0)
        memory(dataset, options.clips)


if __name__ == "__main__":
    main()
