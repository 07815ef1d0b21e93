"""Reading 8 and 32 uniform and dense frames, against naive PyAV and torchcodec, in one run.

    python -m benchmarks.decoding [CLIP ...] [--repeat 7] [--csv FILE]

A read is what a worker does for a clip: open the file, read the frames as RGB, close it. All sides
use one thread; they alternate, and the minimum of each is kept, in processor time, which a busy
machine disturbs least. Naive PyAV decodes the whole file
and keeps what it needs. The ratio is ours to the fastest other's: at most 1 is wanted. Clips are
those given, else those of the folder STSPEC_VIDEOS, else two that are made here (320 x 240 and
1920 x 1080, H.264 with B frames). Milliseconds.
"""

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from stspec.data.open import open_video
from stspec.data.torchcodec import why_not

Read = Callable[[Path, list[int]], Tensor]


def ours(path: Path, indices: list[int]) -> Tensor:
    with open_video(path) as video:
        return video.read(indices)


def naive(path: Path, indices: list[int]) -> Tensor:
    """Decode all, convert all."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    return torch.from_numpy(np.stack([frames[index] for index in indices]))


def careful(path: Path, indices: list[int]) -> Tensor:
    """Decode all, convert what is needed."""
    wanted = set(indices)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        frames = {
            index: frame.to_ndarray(format="rgb24")
            for index, frame in enumerate(container.decode(stream))
            if index in wanted
        }
    return torch.from_numpy(np.stack([frames[index] for index in indices]))


def torchcodec(path: Path, indices: list[int]) -> Tensor:
    decoder = import_module("torchcodec.decoders").VideoDecoder(
        str(path), dimension_order="NHWC", num_ffmpeg_threads=1
    )
    frames: Tensor = decoder.get_frames_at(indices).data
    return frames


SIDES: dict[str, Read] = {"ours": ours, "naive": naive, "careful": careful}


def requests(count: int) -> dict[str, list[int]]:
    """Frame numbers: the middles of equal segments, and consecutive ones from the middle."""
    found = {}
    for frames in (8, 32):
        frames = min(frames, count)
        found[f"{frames} uniform"] = [count * (2 * i + 1) // (2 * frames) for i in range(frames)]
        start = (count - frames) // 2
        found[f"{frames} dense"] = list(range(start, start + frames))
    return found


def minima(sides: dict[str, Read], path: Path, indices: list[int], repeat: int) -> dict[str, float]:
    """The least time of each side, in milliseconds; those that fail are left out."""
    best: dict[str, float] = {}
    wrong: set[str] = set()
    expected = careful(path, indices)
    for _ in range(repeat):
        for name, read in sides.items():
            if name in wrong:
                continue
            start = time.process_time()
            try:
                frames = read(path, indices)
            except Exception:  # torchcodec raises RuntimeError on the ends of AVI files
                wrong.add(name)
                continue
            taken = 1000 * (time.process_time() - start)
            if not torch.equal(frames, expected):
                wrong.add(name)
            best[name] = min(taken, best.get(name, taken))
    return {name: taken for name, taken in best.items() if name not in wrong}


def made(folder: Path) -> list[Path]:
    """Two films of 250 and 60 frames: moving textures."""
    found = []
    for width, height, count in ((320, 240, 250), (1920, 1080, 60)):
        path = folder / f"made_{height}p.mp4"
        rows, columns = np.mgrid[:height, :width]
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 25)
            for number in range(count):
                waves = 128 + 90 * np.sin((columns + 4 * number) / 23) * np.cos(rows / 17)
                image = np.stack([waves, waves[::-1], waves[:, ::-1]], axis=2).astype(np.uint8)
                file.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
            file.mux(stream.encode(None))
        found.append(path)
    return found


def measure(paths: list[Path], repeat: int) -> list[dict[str, str]]:
    sides = dict(SIDES)
    reason = why_not()
    if reason is None:
        sides["torchcodec"] = torchcodec
    else:
        print(f"without torchcodec: {reason}")
    columns = [*sides, "ratio"]
    print(f"{'clip':<24}{'frames':<12}" + "".join(f"{name:>12}" for name in columns))
    rows = []
    for path in paths:
        with open_video(path) as video:
            count = video.count
        for kind, indices in requests(count).items():
            found = minima(sides, path, indices, repeat)
            others = [taken for name, taken in found.items() if name != "ours"]
            ratio = found["ours"] / min(others)
            cells = [f"{found[name]:.1f}" if name in found else "fails" for name in sides]
            cells.append(f"{ratio:.2f}")
            print(f"{path.name:<24}{kind:<12}" + "".join(f"{cell:>12}" for cell in cells))
            rows.append(
                {"clip": path.name, "frames": kind, **dict(zip(columns, cells, strict=True))}
            )
    worst = max(float(row["ratio"]) for row in rows)
    print(f"worst ratio to the fastest other: {worst:.2f}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        named = os.environ.get("STSPEC_VIDEOS")
        clips = options.clips
        if not clips and named:
            clips = sorted(p for p in Path(named).iterdir() if p.suffix in (".mp4", ".avi"))
        rows = measure(clips or made(Path(folder)), options.repeat)
    if options.csv:
        with options.csv.open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)


if __name__ == "__main__":
    main()
