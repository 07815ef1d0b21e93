"""The right frames, whatever the container, codec, order and times."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from stspec.data import packets
from stspec.data.open import Decoder, open_video
from stspec.data.pyav import PyavVideo
from stspec.data.video import DecodeError
from tests.video.films import decode_all, make_film, numbers

UNEVEN = [0, 1, 2, 50, 51, 53, 60, 61, 62, 63, *range(100, 130)]

FILMS: dict[str, tuple[str, dict[str, Any]]] = {
    "b-frames": ("mp4", {"b_frames": 3}),
    "one key frame": ("mp4", {"b_frames": 2, "gop": 1000}),
    "open gop": ("mp4", {"options": {"x264-params": "open-gop=1:bframes=3:keyint=8:min-keyint=8"}}),
    "pyramid": ("mkv", {"options": {"x264-params": "bframes=5:b-pyramid=normal:b-adapt=0"}}),
    "uneven times": ("mp4", {"times": UNEVEN, "b_frames": 2}),
    "uneven times, mkv": ("mkv", {"times": UNEVEN}),
    "odd size": ("mp4", {"pix_fmt": "yuv444p", "size": (49, 83)}),
    "in parts": ("mp4", {"container": {"movflags": "frag_keyframe+empty_moov"}}),
    "hevc": ("mkv", {"codec": "libx265", "b_frames": 2, "options": {"x265-params": "log-level=0"}}),
    "mpeg4 in avi": ("avi", {"codec": "mpeg4", "b_frames": 2}),
    "mpeg4 in avi, odd": ("avi", {"codec": "mpeg4", "size": (47, 81)}),
    "mpeg4 in mp4": ("mp4", {"codec": "mpeg4", "b_frames": 1}),
    "h264 in avi": ("avi", {"b_frames": 3}),
    "mjpeg in avi": ("avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "vp8": ("webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "10"}}),
    "vp9": ("webm", {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "lag-in-frames": "10"}}),
    "mpeg2": ("mpg", {"codec": "mpeg2video", "b_frames": 2}),
    "transport": ("ts", {"b_frames": 2}),
    "with sound": ("mp4", {"audio": True}),
}


@pytest.fixture(scope="module", params=FILMS)
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    suffix, options = FILMS[request.param]
    return make_film(tmp_path_factory.mktemp("film") / f"a film.{suffix}", **options)


def requests(count: int) -> list[list[int]]:
    draw = random.Random(1)
    uniform = [count * (2 * i + 1) // 16 for i in range(8)]
    return [
        uniform, list(range(8)), list(range(count - 8, count)), [count - 1], [0], [7, 3, 3, 30, 0],
        *([draw.randrange(count) for _ in range(5)] for _ in range(6)),
    ]  # fmt: skip


def test_frames_are_numbered_as_shown(film: Path) -> None:
    with open_video(film) as video:
        assert video.count == 40
        for indices in requests(40):
            assert numbers(video.read(indices)) == indices


def test_pixels_are_those_of_decoding_all(film: Path) -> None:
    every = decode_all(film)
    with open_video(film) as video:
        for indices in requests(40)[:7]:
            assert np.array_equal(video.read(indices).numpy(), every[indices])


def test_large_videos_are_read_again(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "HELD", 0)
    with open_video(film) as video:
        for indices in requests(40)[:7]:
            assert numbers(video.read(indices)) == indices


def test_only_what_is_needed_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[tuple[int, int]] = []
    plain = PyavVideo._decode

    def watch(self: PyavVideo, start: int, stop: int, *more: Any) -> Any:
        decoded.append((start, stop))
        return plain(self, start, stop, *more)

    monkeypatch.setattr(PyavVideo, "_decode", watch)
    with open_video(make_film(tmp_path / "film.mp4", 40, gop=10)) as video:
        video.read([35, 2, 12, 11])
    assert decoded == [(0, 3), (10, 13), (30, 36)]


@pytest.mark.skipif(
    not hasattr(av.VideoStream, "set_display_rotation"), reason="PyAV cannot write turned films"
)
def test_frames_come_turned_as_the_camera_was_held(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4", 3, rotation=90)
    upright = decode_all(path)
    with open_video(path) as video:
        turned = video.read([0, 1, 2]).numpy()
    assert turned.shape == (3, 80, 48, 3)
    # Turned by 90 degrees against the clock: the first column becomes the last row.
    assert np.array_equal(turned[:, -1], upright[:, :, 0])


@pytest.mark.parametrize("indices", [[], [40], [-1], [0, 400]])
def test_frames_that_are_not_there_are_refused(tmp_path: Path, indices: list[int]) -> None:
    path = make_film(tmp_path / "film.mp4")
    with open_video(path) as video, pytest.raises(DecodeError, match=r"asked for"):
        video.read(indices)


def test_the_rate_is_told(tmp_path: Path) -> None:
    with open_video(make_film(tmp_path / "film.mp4")) as video:
        assert video.rate == pytest.approx(25)


def test_a_closed_video_says_so(tmp_path: Path) -> None:
    video = open_video(make_film(tmp_path / "film.mp4"))
    video.close()
    with pytest.raises(DecodeError, match="it is closed"):
        video.read([0])


FOLDER = os.environ.get("STSPEC_VIDEOS")
COUNTS = {
    "apply_eye_makeup.avi": 164, "arm_wrestling.mp4": 280, "cleaning_pool.mp4": 300,
    "cleaning_pool_short.mp4": 32, "standing_1080p.avi": 103, "two_people_1080p.mp4": 72,
}  # fmt: skip


@pytest.mark.needs_videos
@pytest.mark.parametrize("name", COUNTS)
def test_real_clips_give_the_frames_of_decoding_all(name: str) -> None:
    path, count = Path(FOLDER or "") / name, COUNTS[name]
    dense, uniform = list(range(4)), [count * (2 * i + 1) // 8 for i in range(4)]
    with open_video(path) as video:
        assert video.count == count
        found = dict(zip(dense, video.read(dense), strict=True))
        found |= dict(zip(uniform, video.read(uniform), strict=True))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for index, frame in enumerate(container.decode(stream)):
            if index in found:
                plain = frame.to_ndarray(format="rgb24")
                assert np.array_equal(found.pop(index).numpy(), plain)
            if not found:
                break
    assert not found


@pytest.mark.needs_torchcodec
def test_torchcodec_gives_the_same_frames(film: Path) -> None:
    same(film)


@pytest.mark.needs_torchcodec
@pytest.mark.needs_videos
@pytest.mark.parametrize("name", COUNTS)
def test_torchcodec_gives_the_same_frames_of_real_clips(name: str) -> None:
    same(Path(FOLDER or "") / name, 3)


def same(path: Path, many: int = 5) -> None:
    decoders: tuple[Decoder, Decoder] = ("pyav", "torchcodec")
    ours, theirs = (open_video(path, decoder) for decoder in decoders)
    assert ours.count == theirs.count
    assert ours.rate == theirs.rate
    for indices in requests(ours.count)[:many]:
        assert np.array_equal(ours.read(indices).numpy(), theirs.read(indices).numpy())
