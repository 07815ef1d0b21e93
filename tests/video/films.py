"""Videos whose frames carry their number in black and white, so that what is read tells itself."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

BITS, CELL = 9, 8
OLD_PYAV = int(av.__version__.split(".")[0]) < 19
LENIENT: dict[str, Any] = {"metadata_errors": "replace"} if OLD_PYAV else {}


def numbered_frame(number: int, height: int = 48, width: int = 80) -> NDArray[np.uint8]:
    """A textured frame (H, W, 3); its top rows hold the number in cells of 8 x 16 pixels."""
    rows, columns = np.mgrid[:height, :width]
    waves = 128 + 60 * np.sin((columns + 3 * number) / 7) * np.cos(rows / 5)
    frame = np.stack([waves, np.roll(waves, number, 1), waves[::-1]], axis=2)
    for bit in range(BITS):
        frame[:16, bit * CELL : (bit + 1) * CELL] = 255 * (number >> bit & 1)
    return frame.astype(np.uint8)


def numbers(frames: Tensor | NDArray[np.uint8]) -> list[int]:
    """The numbers that frames (T, H, W, 3) carry."""
    array = np.asarray(frames)
    cells = [array[:, 4:12, b * CELL + 2 : (b + 1) * CELL - 2].mean((1, 2, 3)) for b in range(BITS)]
    return [sum(int(cell[i] > 128) << b for b, cell in enumerate(cells)) for i in range(len(array))]


def make_film(
    path: Path,
    count: int = 40,
    codec: str = "libx264",
    *,
    size: tuple[int, int] = (48, 80),
    pix_fmt: str = "yuv420p",
    times: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    b_frames: int = 0,
    gop: int = 12,
    rotation: int = 0,
    audio: bool = False,
    container: dict[str, str] | None = None,
) -> Path:
    """Write a film; `times` are when frames are shown, in units of 1/100 s."""
    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.thread_count = 1
        stream.options = dict(options or {})
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 100)
        if rotation:
            stream.set_display_rotation(rotation)
        sound = (
            file.add_stream("aac" if path.suffix != ".webm" else "libopus", 48000)
            if audio
            else None
        )
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number, *size))
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 100)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if sound is not None:
            assert isinstance(sound, av.AudioStream)
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.int16), layout="mono")
            silence.sample_rate = 48000
            file.mux(sound.encode(silence))
            file.mux(sound.encode(None))
    return path


def decode_all(path: Path) -> NDArray[np.uint8]:
    """Every frame as the plainest use of PyAV gives it: the oracle for pixels."""
    with av.open(str(path), **LENIENT) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        frames = container.decode(stream)
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]).astype(np.uint8)


def count_all(path: Path) -> int:
    """How many frames a player shows, which goes on after errors."""
    count = 0
    with av.open(str(path), **LENIENT) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for packet in container.demux(stream):
            with suppress(av.FFmpegError):
                count += len(packet.decode())
    return count
