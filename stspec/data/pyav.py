"""Frames of video files through PyAV, whose wheel brings FFmpeg.

The file's packets are read once, undecoded, to know which frames there are (`packets.py`). Reading
then starts at the nearest key frame, skips frames that nothing depends on, stops after the last
frame that is wanted, and converts only these to RGB. One thread: PyAV's own threads hang beside
torch's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from stspec.data.container import missing_bytes
from stspec.data.packets import scan
from stspec.data.video import Closing, DecodeError
from stspec.diagnostics import Diagnostic, SpecError

if TYPE_CHECKING:
    from collections.abc import Generator

    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

MOST_PIXELS = 1 << 27
"""Of a frame; a damaged header asks for more memory than any video needs."""

OLDEST = 15
"""The first version of PyAV that tells how a camera was held and which frames are damaged."""

_SKIPS = ("h264", "mpeg4", "hevc", "mpeg2video")
"""Codecs that can leave out frames on which none depends, the others being the same."""


class UnreadableError(Exception):
    """Why a file cannot be read."""


class PyavVideo(Closing):
    """An opened video file."""

    def __init__(self, path: Path) -> None:
        """Open a file and read which frames it holds.

        Raises:
            DecodeError: if it is no video, damaged or cut short.
            SpecError: if PyAV is not installed.
        """
        self._path = str(path)
        self._container: InputContainer | None = None
        self._reformatter: VideoReformatter | None = None
        try:
            with told(self._path):
                refuse_what_is_no_file(path)
                self._container = _open(path)
                self._stream = _pick(self._container)
                self._open_stream(path)
        except BaseException:
            self.close()
            raise

    def _open_stream(self, path: Path) -> None:
        self._stream.thread_type = "NONE"
        self._stream.codec_context.thread_count = 1
        self._table = scan(self._opened(), self._stream)
        self._refuse_what_is_short(path)
        self._count = self._table.count
        if not self._table.counted:
            self._count = sum(1 for _ in self._decode(0, len(self._table.pts)))
        if not self._count:
            raise UnreadableError("it holds no frames")

    @property
    def count(self) -> int:
        """Return the number of frames that can be read."""
        return self._count

    @property
    def rate(self) -> float | None:
        """Return frames a second, on average, where known."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate else None

    @property
    def timed(self) -> bool:
        """Tell whether the container is one that says, for itself, when each frame is shown."""
        name = self._opened().format.name
        return self._table.ordered and name.startswith(("mov,", "matroska"))

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return frames as uint8 (len(indices), H, W, 3), in the order asked for.

        Raises:
            DecodeError: if a frame cannot be read, or an index is out of range.
        """
        with told(self._path):
            check_range(indices, self._count)
            wanted = sorted(set(indices))
            places = {index: i for i, index in enumerate(wanted)}
            out: Tensor | None = None
            with closing(self._frames(wanted)) as frames:
                for index, frame in frames:
                    out = self._put(out, frame, index, places.pop(index), len(wanted))
            if places:
                raise UnreadableError(f"frame {min(places)} of {self._count} cannot be decoded")
            assert out is not None
            return arranged(out, wanted, indices)

    def close(self) -> None:
        """Let go of the file."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def _opened(self) -> InputContainer:
        if self._container is None:
            raise UnreadableError("it is closed")
        return self._container

    def _refuse_what_is_short(self, path: Path) -> None:
        """Refuse a file that holds less than it promises."""
        short = missing_bytes(path)
        if short:
            raise UnreadableError(
                f"it is cut short: {short:,} bytes that it announces are not there"
            )
        promised, found = self._stream.frames, len(self._table.pts)
        # AVI counts frames that were dropped while recording, and some writers are off by one.
        slack = 1 if self._opened().format.name == "avi" else 0
        if promised - found > slack:
            raise UnreadableError(f"its header promises {promised} frames, {found} are there")

    def _frames(self, wanted: list[int]) -> Generator[tuple[int, VideoFrame]]:
        self._opened()
        return self._by_time(wanted) if self._table.ordered else self._by_turn(wanted)

    def _by_time(self, wanted: list[int]) -> Generator[tuple[int, VideoFrame]]:
        """Yield wanted frames; their times tell them apart."""
        import av

        table = self._table
        missing: dict[int | None, int] = {table.pts[table.order[i]]: i for i in wanted}
        skips = self._stream.codec_context.name in _SKIPS
        try:
            for start, stop in self._stretches(wanted):
                for frame in self._decode(start, stop, set(missing) if skips else None):
                    if frame.pts in missing:
                        yield missing.pop(frame.pts), frame
        except av.FFmpegError:
            pass  # told below, unless the long way succeeds
        if missing:
            # A cut that was not clean: everything from start to end, as a player does. Ending
            # early, the decoder would give a frame before for one that is damaged.
            for frame in self._decode(0, len(table.pts)):
                if frame.pts in missing:
                    yield missing.pop(frame.pts), frame

    def _by_turn(self, wanted: list[int]) -> Generator[tuple[int, VideoFrame]]:
        """Yield wanted frames, counted as the decoder gives them."""
        start = max((key for key in self._table.keys if key <= wanted[0]), default=0)
        left, found = set(wanted), start
        last = self._count - 1 in left
        with closing(self._decode(start, len(self._table.pts))) as frames:
            for frame in frames:
                if found in left:
                    left.discard(found)
                    yield found, frame
                found += 1
                if not left and not last:
                    return
        # Packets may lie; who reads to the end learns it.
        if found != self._count:
            raise UnreadableError(f"it promises {self._count} frames, {found} can be decoded")

    def _stretches(self, wanted: list[int]) -> list[tuple[int, int]]:
        """Return which packets to decode for frames in order: from a key frame to the last one.

        A new stretch begins where a key frame lies between a frame and what was decoded before.
        """
        table, found = self._table, list[tuple[int, int]]()
        keys = [(key, table.pts[key]) for key in table.keys]
        at = -1
        for index in wanted:
            position = table.order[index]
            time = table.pts[position]
            assert time is not None
            while at + 1 < len(keys):
                key, shown = keys[at + 1]
                if key > position or (shown is not None and shown > time):
                    break
                at += 1
            start = keys[max(at, 0)][0]
            if found and start <= found[-1][1]:
                found[-1] = (found[-1][0], max(found[-1][1], position + 1))
            else:
                found.append((start, position + 1))
        return found

    def _decode(
        self, start: int, stop: int, times: set[int | None] | None = None
    ) -> Generator[VideoFrame]:
        """Yield what the packets from start to stop give; others than `times` may be skipped."""
        context = self._stream.codec_context
        try:
            for position, packet in self._packets(start, stop):
                if times is not None:
                    needed = self._table.pts[position] in times
                    context.skip_frame = "DEFAULT" if needed else "NONREF"
                yield from context.decode(packet)
            yield from context.decode(None)
        finally:
            context.skip_frame = "DEFAULT"
            if context.is_open:
                context.flush_buffers()

    def _packets(self, start: int, stop: int) -> Iterator[tuple[int, Packet[VideoStream]]]:
        """Yield packets with their positions, from memory or from the file."""
        table = self._table
        if table.held is not None:
            for position in range(start, min(stop, len(table.held))):
                packet = table.held[position]
                packet.pts = table.pts[position]
                yield position, packet
            return
        for position, packet in self._again(start):
            if position >= stop:
                return
            if position >= start:
                packet.pts = table.pts[position]
                yield position, packet

    def _again(self, start: int) -> Iterator[tuple[int, Packet[VideoStream]]]:
        """Yield packets of the file from one at or before a position."""
        container, stream, table = self._opened(), self._stream, self._table
        time = table.times[start]
        places = {place: i for i, place in enumerate(table.places) if place is not None}
        if time is not None and len(places) == len(table.places):
            container.seek(time, stream=stream)
            packets = (packet for packet in container.demux(stream) if packet.size)
            first = next(packets, None)
            at = places.get(first.pos) if first is not None and first.pos is not None else None
            if first is not None and at is not None and at <= start:
                yield at, first
                yield from enumerate(packets, at + 1)
                return
        # No place to tell packets apart by, or a seek that went astray: from the start.
        with _open(Path(self._path)) as fresh:
            whole = fresh.streams[stream.index]
            assert whole.type == "video"
            yield from enumerate(packet for packet in fresh.demux(whole) if packet.size)

    def _put(
        self, out: Tensor | None, frame: VideoFrame, index: int, place: int, count: int
    ) -> Tensor:
        """Write a frame into its place; its picture is let go here, so the next one reuses it."""
        picture = self._convert(index, frame)
        if out is None:
            # NumPy asks for huge pages, which torch does not: far fewer faults for large frames.
            out = torch.from_numpy(np.empty((count, *picture.shape), np.uint8))
        if out.shape[1:] != picture.shape:
            raise UnreadableError(f"frame {index} is of another size")
        out[place] = picture
        return out

    def _convert(self, index: int, frame: VideoFrame) -> Tensor:
        """Return a frame as (H, W, 3), turned as its camera was held."""
        if frame.is_corrupt:
            raise UnreadableError(f"frame {index} is damaged")
        if frame.width * frame.height > MOST_PIXELS:
            raise UnreadableError(f"its frames are {frame.width} x {frame.height}")
        if self._reformatter is None:
            from av.video.reformatter import VideoReformatter

            self._reformatter = VideoReformatter()
        plane = self._reformatter.reformat(frame, format="rgb24", **one_thread()).planes[0]
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        picture = lines[: frame.height, : frame.width * 3].reshape(frame.height, frame.width, 3)
        turned = np.rot90(picture, round(frame.rotation / 90)) if frame.rotation else picture
        return torch.from_numpy(np.ascontiguousarray(turned) if frame.rotation else turned)


def check_range(indices: Sequence[int], count: int) -> None:
    """Refuse indices that name no frame.

    Raises:
        UnreadableError: if one is out of range, or there are none.
    """
    if not indices:
        raise UnreadableError("no frames were asked for")
    for index in indices:
        if not 0 <= index < count:
            raise UnreadableError(f"frame {index} was asked for, it has {count}")


def arranged(frames: Tensor, have: Sequence[int], indices: Sequence[int]) -> Tensor:
    """Return frames (of sorted numbers `have`) in the order asked for."""
    if list(indices) == list(have):
        return frames
    places = {index: i for i, index in enumerate(have)}
    return frames[[places[index] for index in indices]]


def refuse_what_is_no_file(path: Path) -> None:
    """Refuse folders, devices, and files that are absent or empty.

    Raises:
        UnreadableError: with the reason.
        OSError: if it cannot be looked at.
    """
    if path.is_dir():
        raise UnreadableError("it is a folder")
    if not path.stat().st_size or not path.is_file():
        raise UnreadableError("it is empty" if path.is_file() else "it is no file")


@contextmanager
def told(path: str) -> Iterator[None]:
    """Tell whatever goes wrong with a file as a DecodeError."""
    try:
        yield
    except DecodeError:
        raise
    except UnreadableError as error:
        raise DecodeError(path, str(error)) from error
    except MemoryError as error:
        raise DecodeError(path, "there is not enough memory for it") from error
    except (OSError, ValueError, LookupError, ArithmeticError, EOFError, RuntimeError) as error:
        raise DecodeError(path, _words(error)) from error
    except Exception as error:
        if not type(error).__module__.startswith("av"):
            raise
        raise DecodeError(path, _words(error)) from error


def _words(error: Exception) -> str:
    """Return an error in one line, without the file's name, which is told anyway."""
    if isinstance(error, EOFError):
        return "it ends too soon"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    line = " ".join(str(text).split())
    return line[:1].lower() + line[1:]


def import_av() -> None:
    """Make sure that PyAV is there.

    Raises:
        SpecError: if it is not, or too old.
    """
    try:
        import av
    except ImportError as error:
        help = "pip install 'stspec[video]' brings it, and FFmpeg with it"
        raise SpecError(Diagnostic("no-decoder", "PyAV is not installed", help=help)) from error
    if _release() < OLDEST:
        message = f"PyAV {av.__version__} is too old: it does not tell how frames are turned"
        help = f"pip install 'av>={OLDEST}'"
        raise SpecError(Diagnostic("no-decoder", message, help=help))
    av.logging.set_level(None)


def one_thread() -> dict[str, Any]:
    """Return how to ask PyAV's reformatter for one thread.

    Left to itself it parts every picture among threads since PyAV 17, and waits for them; before,
    it had one and no such option.
    """
    return {"threads": 1} if _release() >= 17 else {}


@cache
def _release() -> int:
    """Return the first number of PyAV's version."""
    import av

    return int(av.__version__.split(".")[0])


def _open(path: Path) -> InputContainer:
    import_av()
    import av

    # Errors of names in metadata are no errors of the video; PyAV knows that since 19.
    lenient: dict[str, Any] = {"metadata_errors": "replace"} if _release() < 19 else {}
    container: InputContainer = av.open(str(path), **lenient)
    return container


def _pick(container: InputContainer) -> VideoStream:
    """Return the stream that a player shows."""
    if container.format.name in ("tty", "ansi") or container.format.name.endswith("_pipe"):
        raise UnreadableError(f"it is no video but {container.format.long_name}")
    shown = [
        s for s in container.streams.video if not s.disposition.value & 0x400
    ]  # no cover pictures
    if not shown:
        # A stream's own type must not be asked for: PyAV 15 crashes on streams without a codec.
        names = ("audio", "subtitles", "data", "attachments")
        kinds = [name for name in names if getattr(container.streams, name, ())]
        raise UnreadableError(
            f"it has no video, only {' and '.join(kinds)}" if kinds else "it has no video"
        )
    stream = shown[0]
    if stream.codec_context is None:
        raise UnreadableError("its codec is unknown")
    if stream.width * stream.height > MOST_PIXELS:
        raise UnreadableError(f"its frames are {stream.width} x {stream.height}")
    return stream
