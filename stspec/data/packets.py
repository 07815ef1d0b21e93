"""Which frames a file holds: its packets, read once without decoding. Imports no torch.

Frames are numbered in the order in which they are shown. Most containers say when a frame is shown;
AVI does not, so there the order is worked out from the coded frames' types (MPEG-4 part 2) or left
to the decoder (`Table.ordered` is false).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer
    from av.video.stream import VideoStream

HELD = 128 << 20
"""Bytes of packets that are kept in memory; a larger video's are read again where needed."""

_WITHOUT_TIMES = ("avi", "h264", "hevc", "m4v", "mpegvideo")
_CLEAN_CUTS = ("h264", "mjpeg", "rawvideo", "msmpeg4v2", "msmpeg4v3")
"""Codecs whose key frames part what is shown before from what is shown after."""
_IDR = re.compile(rb"\x00\x00\x01[\x05\x25\x45\x65]")
_VOP = re.compile(rb"\x00\x00\x01\xb6(.)", re.DOTALL)
_EMPTY_VOP = 8
"""Bytes of a VOP that codes nothing: it repeats the frame before, and gives none of its own."""


@dataclass(slots=True)
class Table:
    """The packets of a video stream, in the order in which they are decoded."""

    pts: list[int | None] = field(default_factory=list)
    """When each packet's frame is shown, in the stream's time base."""
    times: list[int | None] = field(default_factory=list)
    """What to seek by: when each packet is decoded, or shown where that is not known."""
    keys: list[int] = field(default_factory=list)
    """Positions of packets at which decoding can start, ascending."""
    hidden: set[int] = field(default_factory=set)
    """Positions of packets that give no frame."""
    places: list[int | None] = field(default_factory=list)
    """Where each packet lies in the file."""
    held: list[Packet[VideoStream]] | None = field(default_factory=list)
    """The packets themselves, or None where they are too large to keep."""
    ordered: bool = True
    """Whether `pts` tells every frame's place; else only the decoder knows it."""
    counted: bool = True
    """Whether `count` follows from the packets; else it must be found by decoding."""
    order: list[int] = field(default_factory=list)
    """Positions of the packets of frame 0, 1, ..., where `ordered`."""

    @property
    def count(self) -> int:
        """Return how many frames the packets promise."""
        return len(self.pts) - len(self.hidden)


def scan(container: InputContainer, stream: VideoStream) -> Table:
    """Read all packets of a stream and work out which frame each one gives.

    Raises:
        av.FFmpegError: if the file breaks off or is damaged.
    """
    table, look = _gather(container.demux(stream), stream, container.format.name)
    if look.packed and table.held is not None:
        # Old AVI files put two frames into a packet, and an empty one behind.
        table, look = _gather(_unpacked(table.held, stream), stream, container.format.name)
    _number(table, look)
    return table


def _gather(
    packets: Iterable[Packet[VideoStream]], stream: VideoStream, container: str
) -> tuple[Table, _Look]:
    table, held = Table(), 0
    look = _Look(stream.codec_context.name, container)
    for packet in packets:
        if packet.size:
            held += packet.size
            _add(table, packet, look)
            if table.held is not None:
                table.held.append(packet)
            if held > HELD:
                table.held = None
    return table, look


def _unpacked(
    packets: Sequence[Packet[VideoStream]], stream: VideoStream
) -> Iterator[Packet[VideoStream]]:
    """Yield MPEG-4 packets of one frame each."""
    from av.bitstream import BitStreamFilterContext

    split = BitStreamFilterContext("mpeg4_unpack_bframes", stream)
    for packet in (*packets, None):
        for single in split.filter(packet):
            single.stream = stream
            yield single


@dataclass(slots=True)
class _Look:
    """What is looked for within packets, by codec and container."""

    codec: str
    container: str
    types: list[int] = field(default_factory=list)
    packed: bool = False

    @property
    def timeless(self) -> bool:
        return self.container in _WITHOUT_TIMES


def _add(table: Table, packet: Packet[VideoStream], look: _Look) -> None:
    position = len(table.pts)
    table.pts.append(packet.pts)
    table.times.append(packet.dts if packet.dts is not None else packet.pts)
    table.places.append(packet.pos)
    key = packet.is_keyframe
    if packet.is_discard:  # cut away by the container's edit list
        table.hidden.add(position)
    if look.codec == "vp8" and not bytes(memoryview(packet)[:1])[0] >> 4 & 1:
        table.hidden.add(position)  # a reference that is never shown
    if look.timeless and look.codec == "h264":
        # A recovery point is no clean cut: frames after it may be shown before it.
        key = key and _IDR.search(memoryview(packet)) is not None
    if look.timeless and look.codec == "mpeg4":
        _look_at_vops(table, memoryview(packet), position, look)
    if key:
        table.keys.append(position)


def _look_at_vops(table: Table, data: memoryview, position: int, look: _Look) -> None:
    starts = [(found.start(), found[1][0] >> 6) for found in _VOP.finditer(data)]
    if len(starts) != 1:
        look.packed = look.packed or len(starts) > 1
        look.types.append(-1)
        return
    look.types.append(starts[0][1])
    if len(data) - starts[0][0] <= _EMPTY_VOP:
        table.hidden.add(position)
        look.types[-1] = -1


def _number(table: Table, look: _Look) -> None:
    """Set the order of frames, or note that only the decoder knows it."""
    # What stands before the first key frame lacks its reference: decoders show more or less of it.
    begins = table.keys[:1] == [0]
    plain = begins and not look.packed and not table.hidden
    if look.timeless and look.codec == "mpeg4" and plain:
        table.pts = list(shown_order(look.types))
    elif look.timeless:
        table.ordered = False
        table.counted = look.container == "avi" and begins and not look.packed
        if look.codec not in _CLEAN_CUTS:
            table.keys = [0]
    else:
        table.ordered = table.counted = _plausible(table)
    if table.ordered:
        shown = [i for i in range(len(table.pts)) if i not in table.hidden]
        times = table.pts
        table.order = sorted(shown, key=lambda i: times[i] or 0)


def shown_order(types: Sequence[int]) -> Iterator[int]:
    """Yield the number of each coded frame of MPEG-4 part 2: type 2 (B) is shown at once.

    Any other frame is shown when the next one that is no B arrives.
    """
    for i, kind in enumerate(types):
        if kind == 2:
            yield i - 1
        else:
            behind = i + 1
            while behind < len(types) and types[behind] == 2:
                behind += 1
            yield behind - 1


def _plausible(table: Table) -> bool:
    """Tell whether times are there, differ, and none is before the first one that can be decoded.

    Two packets of one time are the fields of a frame; frames before the first key frame depend on
    what was cut away.
    """
    times = [time for i, time in enumerate(table.pts) if i not in table.hidden]
    known = [time for time in times if time is not None]
    if len(known) < len(times) or len(set(known)) < len(known) or table.keys[:1] != [0]:
        return False
    first = table.pts[0]
    hidden_start = 0 in table.hidden  # an edit list cuts the start away; what follows is whole
    return first is not None and (hidden_start or not known or min(known) >= first)
