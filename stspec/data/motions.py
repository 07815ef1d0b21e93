"""The built-in data set: short H.264 clips, most of whose classes differ only in frame order.

Every clip of a pair's second class is one of the first played backwards. Each frame is coded by
itself at a fixed quantiser, so that its coding tells nothing of its place in time: what looks at
frames apart sees the same frames under both names, and can but toss a coin within a pair.
"""

from __future__ import annotations

import csv
import io
import json
import math
import multiprocessing
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stspec.diagnostics import Diagnostic, SpecError
from stspec.rng import keyed

Array = NDArray[np.float32]

PAIRS: Final = (
    ("moves right", "moves left"),
    ("grows", "shrinks"),
    ("appears", "vanishes"),
    ("turns clockwise", "turns counter-clockwise"),
)
"""Classes that differ in the order of frames alone; the second is the first played backwards."""
STILL: Final = ("ring", "cross", "bars", "dots")
"""Classes that a single frame tells; how these shapes move says nothing."""
CLASSES: Final = (*(name for pair in PAIRS for name in pair), *STILL)
SETTINGS: Final = "motions.json"
RATE: Final = 12
_QUANTISER: Final = 24
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class _Path:
    """A body through time, each (T,): centre and radius where the frame spans -1 to 1."""

    x: Array
    y: Array
    radius: Array
    angle: Array
    opacity: Array


@dataclass(frozen=True, slots=True)
class _Settings:
    version: int
    train: int
    val: int
    frames: int
    size: int
    seed: int


def make_motions(
    folder: Path,
    *,
    train: int = 2400,
    val: int = 600,
    frames: int = 24,
    size: int = 48,
    seed: int = 0,
    workers: int = 2,
) -> None:
    """Write the data set: mp4 files, ``train.csv``, ``val.csv``, ``classes.txt``, settings.

    The files are the same whatever the number of workers. A folder that already holds this data
    set is left as it is.

    Args:
        folder: where to; made here, or empty.
        train: clips to learn from, the classes in turn.
        val: clips to check with.
        frames: frames of each clip, at 12 a second; with 24, the middles of 8 segments are the same
            frames forwards and backwards.
        size: height and width in pixels, even.
        seed: of everything that is drawn.
        workers: processes that draw and encode; up to 1 works in this one.

    Raises:
        SpecError: if a number is out of range, PyAV is missing or lacks H.264, or the folder
            holds something else or cannot be written.
    """
    _check(train, val, frames, size)
    settings = _Settings(_VERSION, train, val, frames, size, seed)
    if _there(folder, settings):
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        half_made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        _write(half_made, settings, workers)
        half_made.chmod(0o755)
        half_made.replace(folder)  # takes the place of an empty folder
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        shutil.rmtree(half_made, ignore_errors=True)


def draw(label: int, rng: Random, frames: int, size: int) -> NDArray[np.uint8]:
    """Return the frames (T, H, W, 3) of a clip of class ``CLASSES[label]``."""
    name = CLASSES[label]
    if name in STILL:
        first, backwards, shape = rng.choice((PAIRS[0][0], PAIRS[3][0])), rng.random() < 0.5, name
    else:
        first, backwards = next((a, name == b) for a, b in PAIRS if name in (a, b))
        shape = rng.choice(tuple(_PLAIN))
    path = _MOTIONS[first](rng, np.linspace(0, 1, frames, dtype=np.float32))
    clip = _render(path, _SHAPES[shape], rng, size)
    return clip[::-1] if backwards else clip


def encode(clip: NDArray[np.uint8]) -> bytes:
    """Return frames (T, H, W, 3) as an mp4 file of H.264, each frame coded by itself.

    Raises:
        SpecError: if PyAV is missing, or its FFmpeg cannot write H.264.
    """
    av = _pyav()
    file = io.BytesIO()
    # Without `bitexact` the file would name the encoder's version and differ between machines.
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.height, stream.width, stream.pix_fmt = clip.shape[1], clip.shape[2], "yuv420p"
        stream.thread_count = 1
        stream.options = {
            "preset": "ultrafast",
            "qp": str(_QUANTISER),
            "g": "1",
            "x264-params": "keyint=1:scenecut=0:aq-mode=0:mbtree=0:ipratio=1",
        }
        for image in clip:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _check(train: int, val: int, frames: int, size: int) -> None:
    for name, value, least in (
        ("train", train, 1),
        ("val", val, 1),
        ("frames", frames, 2),
        ("size", size, 16),
    ):
        if value < least:
            raise SpecError(
                Diagnostic("bad-size", f"{name} is {value}: it must be at least {least}")
            )
    if size % 2:
        raise SpecError(
            Diagnostic(
                "bad-size",
                f"size is {size}: H.264 needs even sides",
                help=f"write {size - 1} or {size + 1}",
            )
        )
    _pyav()


def _there(folder: Path, settings: _Settings) -> bool:
    """Return whether the folder holds the data set already."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        found = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found == asdict(settings):
        return True
    what = "something else" if found is None else "the same data set with other settings"
    raise SpecError(
        Diagnostic(
            "folder-in-use", f"{folder} holds {what}", help="name another folder, or remove it"
        )
    )


def _write(folder: Path, settings: _Settings, workers: int) -> None:
    for split, count in (("train", settings.train), ("val", settings.val)):
        (folder / split).mkdir()
        _write_clips(folder, split, count, settings, workers)
        with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("path", "label", "frames"))
            for index in range(count):
                name = CLASSES[_label(index)]
                table.writerow((_clip_path(split, index), name, settings.frames))
    (folder / "classes.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    about = {"settings": asdict(settings), "classes": CLASSES, "pairs": PAIRS}
    (folder / SETTINGS).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _write_clips(folder: Path, split: str, count: int, settings: _Settings, workers: int) -> None:
    work = partial(_write_clip, folder, split, settings)
    if workers <= 1:
        for index in range(count):
            work(index)
        return
    # A fresh interpreter each: a fork would take along threads of torch and open decoders.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for _ in pool.map(work, range(count), chunksize=16):
            pass


def _write_clip(folder: Path, split: str, settings: _Settings, index: int) -> None:
    label = _label(index)
    drawn_as = next((first for first, second in PAIRS if second == CLASSES[label]), CLASSES[label])
    rng = keyed(settings.seed, "motions", split, index // len(CLASSES), drawn_as)
    clip = draw(label, rng, settings.frames, settings.size)
    (folder / _clip_path(split, index)).write_bytes(encode(clip))


def _label(index: int) -> int:
    return index % len(CLASSES)


def _clip_path(split: str, index: int) -> str:
    return f"{split}/{index:05d}.mp4"


def _pyav() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise SpecError(
            Diagnostic(
                "no-pyav",
                "making video files needs PyAV, which is not installed",
                help="pip install 'stspec[video]'",
            )
        ) from error
    if "libx264" not in av.codecs_available:
        raise SpecError(
            Diagnostic(
                "no-h264",
                f"PyAV {av.__version__} is built without libx264",
                help="install PyAV's wheel: pip install --force-reinstall av",
            )
        )
    module: ModuleType = av
    return module


def _cannot_write(folder: Path, error: OSError) -> SpecError:
    reason = (error.strerror or str(error)).lower()
    return SpecError(
        Diagnostic("cannot-write", f"cannot write {folder}: {reason}", help="name another folder")
    )


def _render(path: _Path, shape: Shape, rng: Random, size: int) -> NDArray[np.uint8]:
    """Return frames (T, H, W, 3) of a textured body over a textured, resting background."""
    light, dark = rng.uniform(165, 205), rng.uniform(50, 90)
    behind, body = (light, dark) if rng.random() < 0.5 else (dark, light)
    axis = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    x, y = np.meshgrid(axis, axis)
    background = _texture(rng, behind, finest=9)(x, y)
    surface = _texture(rng, body, finest=7)
    frames = np.empty((len(path.x), size, size, 3), np.uint8)
    for t in range(len(frames)):
        cos, sin, radius = np.cos(path.angle[t]), np.sin(path.angle[t]), path.radius[t]
        across, down = (x - path.x[t]) / radius, (y - path.y[t]) / radius
        u, v = across * cos + down * sin, down * cos - across * sin
        # Signed distances are in radii; a pixel's width of blend makes an even edge.
        cover = np.clip(shape(u, v) * (radius * size / 2) + 0.5, 0, 1) * path.opacity[t]
        colour = background + (surface(u, v) - background) * cover[..., None]
        frames[t] = np.clip(colour + 0.5, 0, 255)
    return frames


def _texture(rng: Random, level: float, finest: float) -> Callable[[Array, Array], Array]:
    """Return colours (H, W, 3) of places (H, W): a few waves of random directions and tints."""
    tint = np.array([rng.uniform(-30, 30) for _ in range(3)], np.float32) + np.float32(level)
    waves = [
        (
            rng.uniform(-finest, finest),
            rng.uniform(-finest, finest),
            rng.uniform(0, 2 * math.pi),
            np.array([rng.uniform(-16, 16) for _ in range(3)], np.float32),
        )
        for _ in range(4)
    ]

    def colours(x: Array, y: Array) -> Array:
        total = np.broadcast_to(tint, (*x.shape, 3)).astype(np.float32)
        for across, down, phase, amplitude in waves:
            wave = np.sin(np.float32(across) * x + np.float32(down) * y + np.float32(phase))
            total += wave[..., None] * amplitude
        return total

    return colours


def _ramp(rng: Random, time: Array, shortest: float, longest: float) -> Array:
    """Return a rise from 0 to 1 that takes a random part of the time, anywhere within it."""
    length = rng.uniform(shortest, longest)
    start = rng.uniform(0, 1 - length)
    rise: Array = np.clip((time - np.float32(start)) / np.float32(length), 0, 1)
    return rise


def _moves(rng: Random, time: Array) -> _Path:
    span = rng.uniform(0.7, 1.2)
    start = rng.uniform(-0.7, 0.7 - span)
    return _along(
        time,
        x=start + span * _ramp(rng, time, 0.7, 1.0),
        y=rng.uniform(-0.6, 0.6),
        radius=rng.uniform(0.25, 0.45),
        angle=rng.uniform(0, 2 * math.pi),
    )


def _grows(rng: Random, time: Array) -> _Path:
    least, most = rng.uniform(0.15, 0.28), rng.uniform(0.45, 0.7)
    return _along(
        time,
        x=rng.uniform(-0.4, 0.4),
        y=rng.uniform(-0.4, 0.4),
        radius=least + (most - least) * _ramp(rng, time, 0.6, 1.0),
        angle=rng.uniform(0, 2 * math.pi),
    )


def _appears(rng: Random, time: Array) -> _Path:
    return _along(
        time,
        x=rng.uniform(-0.5, 0.5),
        y=rng.uniform(-0.5, 0.5),
        radius=rng.uniform(0.3, 0.5),
        angle=rng.uniform(0, 2 * math.pi),
        opacity=_ramp(rng, time, 0.4, 0.8),
    )


def _turns(rng: Random, time: Array) -> _Path:
    """Return a body carried round the middle; with y downwards, growing angles are clockwise."""
    start, arc = rng.uniform(0, 2 * math.pi), rng.uniform(2.8, 5.2)
    angle = start + arc * _ramp(rng, time, 0.75, 1.0)
    distance = rng.uniform(0.4, 0.55)
    return _along(
        time,
        x=distance * np.cos(angle) + rng.uniform(-0.1, 0.1),
        y=distance * np.sin(angle) + rng.uniform(-0.1, 0.1),
        radius=rng.uniform(0.25, 0.4),
        angle=angle + rng.uniform(0, 2 * math.pi),
    )


def _along(
    time: Array,
    x: Array | float,
    y: Array | float,
    radius: Array | float,
    angle: Array | float,
    opacity: Array | float = 1.0,
) -> _Path:
    """Return a path; what is a number stays as it is all the time."""

    def spread(value: Array | float) -> Array:
        return np.broadcast_to(np.asarray(value, np.float32), time.shape)

    return _Path(spread(x), spread(y), spread(radius), spread(angle), spread(opacity))


def _polygon(sides: int) -> Shape:
    turns = [2 * math.pi * k / sides for k in range(sides)]
    inner = math.cos(math.pi / sides)

    def shape(u: Array, v: Array) -> Array:
        edges = [np.float32(math.cos(a)) * u + np.float32(math.sin(a)) * v for a in turns]
        depth: Array = np.float32(inner) - np.maximum.reduce(edges)
        return depth

    return shape


def _disc(u: Array, v: Array) -> Array:
    return np.float32(0.9) - np.hypot(u, v)


def _ring(u: Array, v: Array) -> Array:
    return np.float32(0.22) - np.abs(np.hypot(u, v) - np.float32(0.75))


def _cross(u: Array, v: Array) -> Array:
    upright = np.minimum(0.26 - np.abs(u), 1 - np.abs(v))
    depth: Array = np.maximum(upright, np.minimum(0.26 - np.abs(v), 1 - np.abs(u)))
    return depth


def _bars(u: Array, v: Array) -> Array:
    within = np.minimum(0.95 - np.abs(u), 0.8 - np.abs(v))
    depth: Array = np.minimum(within, 0.17 - np.abs((u + 1 / 3) % (2 / 3) - 1 / 3))
    return depth


def _dots(u: Array, v: Array) -> Array:
    return np.float32(0.36) - np.hypot(np.abs(u) - 0.55, np.abs(v) - 0.55)


Shape = Callable[[Array, Array], Array]
"""How far inside a shape of radius 1 a place is; negative outside."""

_PLAIN: Final[dict[str, Shape]] = {
    "disc": _disc,
    "triangle": _polygon(3),
    "square": _polygon(4),
    "hexagon": _polygon(6),
}
_SHAPES: Final[dict[str, Shape]] = {
    **_PLAIN,
    "ring": _ring,
    "cross": _cross,
    "bars": _bars,
    "dots": _dots,
}
_MOTIONS: Final[dict[str, Callable[[Random, Array], _Path]]] = {
    "moves right": _moves,
    "grows": _grows,
    "appears": _appears,
    "turns clockwise": _turns,
}
