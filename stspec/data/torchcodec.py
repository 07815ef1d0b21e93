"""Frames of video files through torchcodec, where it is installed and finds FFmpeg's libraries.

Which frames there are is decided by `PyavVideo`, so that both decoders number and count alike.
torchcodec numbers frames by their times; where a container (AVI) does not tell them, or torchcodec
fails on a file, PyAV reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from stspec.data.pyav import PyavVideo, arranged, check_range, told
from stspec.data.video import Closing

OLDEST = (0, 13)
"""The first version that was found to give PyAV's frames, turned as the camera was held."""


def why_not() -> str | None:
    """Return why torchcodec cannot be used, in one line; None where it can."""
    try:
        found = version("torchcodec")
        if tuple(int(part) for part in found.split("+")[0].split(".")[:2]) < OLDEST:
            return f"torchcodec {found} is too old, {OLDEST[0]}.{OLDEST[1]} is needed"
        import_module("torchcodec.decoders")
    except ImportError:
        return "torchcodec is not installed"
    except Exception as error:
        # It raises RuntimeError or OSError where FFmpeg's libraries or CUDA's are not found.
        words = " ".join(str(error).split())
        return f"torchcodec is installed and does not load: {words[:160]}"
    return None


class TorchcodecVideo(Closing):
    """An opened video file."""

    def __init__(self, path: Path) -> None:
        """Open a file and read which frames it holds.

        Raises:
            DecodeError: if it is no video, damaged or cut short.
        """
        self._path = path
        self._truth = PyavVideo(path)
        self._decoder: Any = None
        if self._truth.timed:
            self._decoder = _decoder(path, self._truth.count)

    @property
    def count(self) -> int:
        """Return the number of frames that can be read."""
        return self._truth.count

    @property
    def rate(self) -> float | None:
        """Return frames a second, on average, where known."""
        return self._truth.rate

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return frames as uint8 (len(indices), H, W, 3), in the order asked for.

        Raises:
            DecodeError: if a frame cannot be read, or an index is out of range.
        """
        with told(str(self._path)):
            check_range(indices, self.count)
        if self._decoder is not None:
            wanted = sorted(set(indices))
            try:
                frames: Tensor = self._decoder.get_frames_at(wanted).data
            except Exception:
                # PyAV has the last word on what is wrong, so that both say the same.
                self._decoder = None
            else:
                return arranged(frames, wanted, indices)
        return self._truth.read(indices)

    def close(self) -> None:
        """Let go of the file."""
        self._decoder = None
        self._truth.close()


def _decoder(path: Path, count: int) -> Any:
    """Return torchcodec's decoder, or None where it does not take the file as PyAV does."""
    try:
        decoder = import_module("torchcodec.decoders").VideoDecoder(
            str(path), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact"
        )
    except Exception:  # whatever its C++ says; PyAV reads the file
        return None
    return decoder if len(decoder) == count else None
