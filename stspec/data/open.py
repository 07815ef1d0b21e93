"""Opening a sample, whatever it is made of.

Open in the process that reads: an open decoder must not cross a fork.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from torch import Tensor

from stspec.data.images import PictureVideo
from stspec.data.pyav import PyavVideo
from stspec.data.sample import Manifest, Sample
from stspec.data.torchcodec import TorchcodecVideo, why_not
from stspec.data.video import Closing, DecodeError, Video
from stspec.diagnostics import Diagnostic, SpecError

Decoder = Literal["auto", "pyav", "torchcodec"]
"""What reads video files. Both give the same frames; `auto` is PyAV, the faster of the two."""


def open_video(path: Path | str, decoder: Decoder = "auto") -> Video:
    """Open a video file.

    Raises:
        DecodeError: if it is no video, damaged or cut short.
        SpecError: if the decoder is not installed.
    """
    if decoder == "torchcodec":
        _need_torchcodec()
        return TorchcodecVideo(Path(path))
    return PyavVideo(Path(path))


def open_sample(manifest: Manifest, sample: Sample, decoder: Decoder = "auto") -> Video:
    """Open a sample; a piece of a video is seen as a video of its own.

    Raises:
        DecodeError: if it cannot be read, or holds fewer frames than the list promises.
        SpecError: if the decoder is not installed.
    """
    path = manifest.path(sample)
    if manifest.kind == "video":
        video = open_video(path, decoder)
    else:
        video = PictureVideo(
            path,
            manifest.template,
            manifest.start,
            flow=manifest.kind == "flow",
            promised=_promised(sample),
            rate=sample.rate,
        )
    try:
        return _piece(video, sample, str(path))
    except DecodeError:
        video.close()
        raise


class Piece(Closing):
    """Frames first to last of a video, seen as a video."""

    def __init__(self, video: Video, path: str, first: int, count: int) -> None:
        self._video, self._path, self._first = video, path, first
        self.count = count
        self.rate = video.rate

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return frames as uint8 (len(indices), H, W, channels), in the order asked for.

        Raises:
            DecodeError: if a frame cannot be read, or an index is out of range.
        """
        for index in indices:
            if not 0 <= index < self.count:
                reason = f"frame {index} was asked for, the piece has {self.count}"
                raise DecodeError(self._path, reason)
        return self._video.read([self._first + index for index in indices])

    def close(self) -> None:
        """Let go of the file."""
        self._video.close()


def _promised(sample: Sample) -> int | None:
    """Return how many frames a folder must hold for a sample; None: not known."""
    if sample.last is not None:
        return sample.last + 1
    return None if sample.frames is None else (sample.first or 0) + sample.frames


def _piece(video: Video, sample: Sample, path: str) -> Video:
    promised = _promised(sample)
    if promised is not None and promised > video.count:
        # A stale count would shift what is sampled, so it is never taken silently.
        reason = f"the list promises {promised} frames, {video.count} are there"
        raise DecodeError(path, reason)
    first = sample.first or 0
    if sample.last is None and sample.first is None:
        return video
    last = video.count - 1 if sample.last is None else sample.last
    if sample.last is None and sample.frames is not None:
        last = first + sample.frames - 1
    if last < first:
        raise DecodeError(path, f"its piece from frame {first} to {last} is empty")
    return Piece(video, path, first, last - first + 1)


@cache
def _why_not_torchcodec() -> str | None:
    return why_not()


def _need_torchcodec() -> None:
    reason = _why_not_torchcodec()
    if reason is not None:
        help = "PyAV gives the same frames: leave the decoder at `auto`"
        raise SpecError(Diagnostic("no-decoder", reason, help=help))
