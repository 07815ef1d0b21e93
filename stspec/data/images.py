"""Videos that were taken apart: folders of JPEG or PNG pictures, and of flow pictures (x and y)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from stspec.data.pyav import (
    MOST_PIXELS,
    UnreadableError,
    check_range,
    import_av,
    one_thread,
    told,
)
from stspec.data.video import Closing

if TYPE_CHECKING:
    from av import VideoFrame

AXES = "xy"


class Axis(str):
    """An axis of flow within a template; ``{axis:uv}`` writes u for x and v for y."""

    def __format__(self, names: str) -> str:
        """Return the axis' name, or the one that the template gives it."""
        return names[AXES.index(self)] if len(names) == len(AXES) else str(self)


def picture_name(template: str, number: int, axis: str = AXES[0]) -> str:
    """Return the name of a frame's file.

    Raises:
        ValueError, LookupError: if the template is no template.
    """
    return template.format(number, axis=Axis(axis))


def count_pictures(folder: Path, template: str, start: int) -> int:
    """Return how many frames a folder holds without a gap, counted from `start`.

    Raises:
        OSError: if the folder cannot be read.
    """
    one = Path(picture_name(template, start))
    names = {(one.parent / entry.name).as_posix() for entry in (folder / one.parent).iterdir()}
    count = 0
    while picture_name(template, start + count) in names:
        count += 1
    return count


def numbers_there(folder: Path, template: str) -> list[int]:
    """Return the numbers of all pictures of a folder, sorted; for messages.

    Raises:
        OSError: if the folder cannot be read.
    """
    marks = picture_name(template, 0), picture_name(template, 1)
    parent = Path(marks[0]).parent
    pattern = re.compile(_pattern(template))
    found = (
        pattern.fullmatch((parent / item.name).as_posix()) for item in (folder / parent).iterdir()
    )
    return sorted(int(match[1]) for match in found if match)


def _pattern(template: str) -> str:
    """Return a regular expression whose group is the frame's number."""
    text = re.sub(r"\{axis[^}]*\}", lambda axis: axis[0].format(axis=Axis(AXES[0])), template)
    before, _, rest = text.partition("{")
    return re.escape(before) + r"(\d+)" + re.escape(rest.partition("}")[2])


class PictureVideo(Closing):
    """A folder of frames."""

    def __init__(
        self,
        folder: Path,
        template: str,
        start: int,
        *,
        flow: bool = False,
        promised: int | None = None,
        rate: float | None = None,
    ) -> None:
        """Look for the frames of a folder; pictures are opened when they are read.

        Args:
            folder: where they lie.
            template: name of a picture, such as ``img_{:05d}.jpg`` or ``{axis}/{:06d}.jpg``.
            start: number of the first picture.
            flow: whether there are two grey pictures a frame, read as channels x and y.
            promised: frames that a list promises; the folder is then not listed.
            rate: frames a second, where known.

        Raises:
            DecodeError: if the folder or frames that were promised are not there.
        """
        self._folder, self._template, self._start, self._flow = folder, template, start, flow
        self.rate = rate
        with told(str(folder)):
            if not folder.is_dir():
                raise UnreadableError("it is no folder" if folder.exists() else "no such folder")
            self._count = self._counted(promised)

    @property
    def count(self) -> int:
        """Return the number of frames that can be read."""
        return self._count

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return frames as uint8 (len(indices), H, W, 3), those of flow (..., 2): x, y.

        Raises:
            DecodeError: if a picture cannot be read, or an index is out of range.
        """
        with told(str(self._folder)):
            check_range(indices, self._count)
        wanted = sorted(set(indices))
        pictures = {index: self._picture(index) for index in wanted}
        size = pictures[wanted[0]].shape
        for index, picture in pictures.items():
            if picture.shape != size:
                name = picture_name(self._template, self._start + index)
                raise self._error(name, f"frame {index} is of another size")
        return torch.stack([torch.from_numpy(pictures[index]) for index in indices])

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _counted(self, promised: int | None) -> int:
        """Return how many frames there are, by one look for the last where a list says it."""
        if promised:
            last = picture_name(self._template, self._start + promised - 1)
            if (self._folder / last).is_file():
                return promised
        found = count_pictures(self._folder, self._template, self._start)
        if promised and found < promised:
            raise UnreadableError(f"the list promises {promised} frames, {found} are there")
        if not found:
            first = picture_name(self._template, self._start)
            raise UnreadableError(f"it holds no {first}{_hint(self._folder, self._template)}")
        return found

    def _picture(self, index: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
        names = [
            picture_name(self._template, self._start + index, axis)
            for axis in (AXES if self._flow else AXES[:1])
        ]
        planes = []
        for name in names:
            with told(str(self._folder / name)):
                planes.append(decode_picture((self._folder / name).read_bytes(), self._flow))
        if self._flow and planes[0].shape != planes[1].shape:
            raise self._error(names[1], "x and y are of different sizes")
        return np.concatenate(planes, axis=2) if self._flow else planes[0]

    def _error(self, name: str, reason: str) -> Exception:
        from stspec.data.video import DecodeError

        return DecodeError(str(self._folder / name), reason)


def _hint(folder: Path, template: str) -> str:
    """Return what a folder holds instead of the first picture."""
    there = numbers_there(folder, template)
    if there:
        return f"; its first is {picture_name(template, there[0])}: set `start`"
    other = next((item.name for item in sorted(folder.iterdir())), None)
    return f" but {other}: set `template`" if other else ": it is empty"


def decode_picture(
    data: bytes, grey: bool = False
) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """Return a JPEG or PNG picture as uint8 (H, W, 3), or (H, W, 1) if grey.

    Raises:
        UnreadableError: if it is neither, or cut short.
        av.FFmpegError: if it is damaged.
    """
    import_av()
    import av
    from av.video.codeccontext import VideoCodecContext

    if not data:
        raise UnreadableError("it is empty")
    codec = "mjpeg" if data[:2] == b"\xff\xd8" else "png" if data[:4] == b"\x89PNG" else None
    if codec is None:
        raise UnreadableError("it is neither a JPEG nor a PNG picture")
    # FFmpeg fills what is missing with grey, and says nothing.
    if codec == "mjpeg" and b"\xff\xd9" not in data[-1024:]:
        raise UnreadableError("it is cut short")
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_type, context.thread_count = "NONE", 1
    frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    if not frames or frames[0].is_corrupt:
        raise UnreadableError("it is damaged")
    return _pixels(frames[0], grey)


def _pixels(frame: VideoFrame, grey: bool) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    from av.video.reformatter import Interpolation

    if frame.width * frame.height > MOST_PIXELS:
        raise UnreadableError(f"it is {frame.width} x {frame.height}")
    # Full chroma interpolation and exact rounding come within a step or two of libjpeg; versions
    # of PyAV that do not know them interpolate alone.
    how = Interpolation.BICUBIC
    for name in ("FULL_CHR_H_INT", "ACCURATE_RND"):
        how |= getattr(Interpolation, name, how)
    form = "gray" if grey else "rgb24"
    plane = frame.reformat(format=form, interpolation=how, **one_thread()).planes[0]
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    depth = 1 if grey else 3
    cut = lines[: frame.height, : frame.width * depth]
    return np.ascontiguousarray(cut.reshape(frame.height, frame.width, depth))
