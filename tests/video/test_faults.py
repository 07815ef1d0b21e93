"""Files that are broken: named with a reason, never an exception of another kind, never a hang."""

from __future__ import annotations

import os
import pickle
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import av
import numpy as np
import pytest

from stspec.data.open import open_sample, open_video
from stspec.data.sample import Manifest, Sample
from stspec.data.video import DecodeError
from stspec.diagnostics import SpecError
from tests.video.films import count_all, make_film, numbers


def refused(path: Path) -> str:
    with pytest.raises(DecodeError) as told, open_video(path) as video:
        video.read(list(range(video.count)))
    assert told.value.path == str(path)
    assert "\n" not in told.value.reason
    return told.value.reason


def test_no_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "absent.mp4") == "no such file or directory"


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert refused(tmp_path / "empty.mp4") == "it is empty"


def test_a_folder(tmp_path: Path) -> None:
    assert refused(tmp_path) == "it is a folder"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with in_time(10):
        assert refused(tmp_path / "pipe.mp4") == "it is no file"


@pytest.mark.parametrize("text", ["these are words\n" * 50, "x", "\0" * 5000, "<html></html>" * 99])
def test_what_is_no_video(tmp_path: Path, text: str) -> None:
    (tmp_path / "words.mp4").write_text(text)
    refused(tmp_path / "words.mp4")


def test_a_picture_or_words_under_their_own_names(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("these are words\n" * 50)
    refused(tmp_path / "words.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4", 3)
    path.chmod(0)
    assert refused(path) == "permission denied"


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=48000)
        assert isinstance(stream, av.AudioStream)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), layout="mono")
        sound.sample_rate = 48000
        file.mux(stream.encode(sound))
        file.mux(stream.encode(None))
    assert refused(path) == "it has no video, only audio"


def test_no_frames(tmp_path: Path) -> None:
    for suffix in ("mp4", "mkv"):
        refused(make_film(tmp_path / f"film.{suffix}", 0, audio=suffix == "mp4"))


@pytest.mark.parametrize("suffix", ["mp4", "avi", "mkv", "webm"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("front", [False, True])
def test_cut_short(tmp_path: Path, suffix: str, share: float, front: bool) -> None:
    codec = "libvpx-vp9" if suffix == "webm" else "libx264"
    options = {"movflags": "faststart"} if front and suffix == "mp4" else {}
    path = make_film(tmp_path / f"film.{suffix}", 40, codec, container=options)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    reason = refused(path)
    assert not front or suffix != "mp4" or share < 0.3 or "cut short" in reason


def test_the_error_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(DecodeError("a.mp4", "it is empty")))
    assert (error.path, error.reason, str(error)) == ("a.mp4", "it is empty", "a.mp4: it is empty")


def test_a_decoder_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stspec.data.open._why_not_torchcodec", lambda: "torchcodec is not there")
    with pytest.raises(SpecError, match="torchcodec is not there"):
        open_video("film.mp4", "torchcodec")


def manifest(tmp_path: Path, **sample: int | None) -> tuple[Manifest, Sample]:
    make_film(tmp_path / "film.mp4", 40)
    found = Sample("film", "film.mp4", (0,), **sample)
    return Manifest(tmp_path, (found,), ("a",)), found


@pytest.mark.parametrize(
    ("piece", "count", "start"),
    [({}, 40, 0), ({"first": 5, "last": 9}, 5, 5), ({"first": 30}, 10, 30), ({"last": 3}, 4, 0),
     ({"first": 4, "frames": 6}, 6, 4), ({"frames": 30}, 40, 0)],
)  # fmt: skip
def test_a_piece_is_a_video_of_its_own(
    tmp_path: Path, piece: dict[str, int], count: int, start: int
) -> None:
    with open_sample(*manifest(tmp_path, **piece)) as video:
        assert video.count == count
        assert numbers(video.read([count - 1, 0])) == [start + count - 1, start]
        with pytest.raises(DecodeError):
            video.read([count])
        with pytest.raises(DecodeError):
            video.read([-1])


@pytest.mark.parametrize("piece", [{"frames": 41}, {"last": 40}, {"first": 39, "frames": 2}])
def test_a_stale_count_is_noticed(tmp_path: Path, piece: dict[str, int]) -> None:
    with pytest.raises(DecodeError, match="the list promises 41 frames, 40 are there"):
        open_sample(*manifest(tmp_path, **piece))


@contextmanager
def in_time(seconds: int) -> Iterator[None]:
    """End what hangs."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"hangs after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def damaged(data: bytes, draw: random.Random) -> bytes:
    """A file of which bytes were changed, removed, put in, or cut off."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 3, 20))):
        at = draw.randrange(len(changed)) if draw.random() < 0.6 else draw.randrange(600)
        at = min(at, len(changed) - 1)
        match draw.randrange(5):
            case 0:
                changed[at] ^= 1 << draw.randrange(8)
            case 1:
                changed[at : at + draw.randrange(40)] = draw.randbytes(draw.randrange(40))
            case 2:
                changed[at : at + 4] = draw.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"))
            case 3:
                changed[at : at + 2000] = bytes(2000)
            case 4:
                del changed[max(at, 100) :]
        if len(changed) < 100:
            break
    return bytes(changed)


@pytest.mark.parametrize("suffix", ["mp4", "avi", "mkv", "webm"])
def test_damaged_files_give_frames_or_a_reason(tmp_path: Path, suffix: str) -> None:
    codec = {"avi": "mpeg4", "webm": "libvpx"}.get(suffix, "libx264")
    b_frames = 0 if suffix == "webm" else 2
    # Matroska files are else numbered by chance, and the damage done with them.
    exact = {"fflags": "+bitexact"}
    film = make_film(
        tmp_path / f"film.{suffix}", 20, codec, b_frames=b_frames, gop=7, container=exact
    )
    data = film.read_bytes()
    path = tmp_path / f"damaged.{suffix}"
    outcomes = []
    for case in range(100):
        path.write_bytes(damaged(data, random.Random(f"{suffix} {case}")))
        with in_time(30):
            try:
                with open_video(path) as video:
                    count = video.count
                    frames = video.read(list(range(count)))
                assert len(frames) == count
                # A count that is told without complaint is what there is to be decoded.
                assert count_all(path) == count
                outcomes.append(True)
            except DecodeError:
                outcomes.append(False)
    assert len(set(outcomes)) == 2


def test_a_lost_first_key_frame_in_avi(tmp_path: Path) -> None:
    """What follows lacks its reference, and decoders show one frame more than there are packets."""
    film = make_film(tmp_path / "film.avi", 20, "mpeg4", b_frames=2, gop=7)
    data = film.read_bytes()
    first = data.index(b"00dc", data.index(b"movi"))
    film.write_bytes(data[:first] + b"JUNK" + data[first + 4 :])
    assert count_all(film) == 20
    with open_video(film) as video:
        assert video.count == 20
        assert len(video.read(list(range(20)))) == 20
