"""Folders of frames and of flow, and pictures that are broken."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from stspec.data.extract import encode_jpeg
from stspec.data.images import PictureVideo, decode_picture
from stspec.data.open import open_sample
from stspec.data.sample import Manifest, Sample
from stspec.data.video import DecodeError
from tests.video.films import numbered_frame, numbers


def folder_of(folder: Path, count: int, template: str = "img_{:05d}.jpg", start: int = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        frame = torch.from_numpy(numbered_frame(number))
        (folder / template.format(start + number)).write_bytes(encode_jpeg(frame))
    return folder


@pytest.mark.parametrize("start", [0, 1])
def test_frames_are_those_asked_for(tmp_path: Path, start: int) -> None:
    folder = folder_of(tmp_path / "a clip", 12, start=start)
    with PictureVideo(folder, "img_{:05d}.jpg", start) as video:
        assert video.count == 12
        frames = video.read([7, 0, 11, 0])
        assert frames.dtype == torch.uint8
        assert frames.shape == (4, 48, 80, 3)
        assert numbers(frames) == [7, 0, 11, 0]


def test_colours_are_kept(tmp_path: Path) -> None:
    # Flat patches survive JPEG: what comes back is what was put in, to rounding.
    frame = np.zeros((32, 48, 3), np.uint8)
    frame[:, :16], frame[:, 16:32], frame[:, 32:] = (200, 30, 60), (20, 220, 90), (128, 128, 128)
    found = decode_picture(encode_jpeg(torch.from_numpy(frame)))
    assert np.abs(found[8:24, 4:12].astype(int) - frame[8:24, 4:12]).max() <= 3
    assert np.abs(found[8:24, 20:28].astype(int) - frame[8:24, 20:28]).max() <= 3
    assert np.abs(found[8:24, 38:].astype(int) - 128).max() <= 3


def test_png_is_read_exactly(tmp_path: Path) -> None:
    import av

    frame = numbered_frame(5)
    context = av.CodecContext.create("png", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.height, context.width, context.pix_fmt = 48, 80, "rgb24"
    context.time_base = Fraction(1, 25)
    packets = context.encode(av.VideoFrame.from_ndarray(frame)) + context.encode(None)
    data = b"".join(bytes(packet) for packet in packets)
    assert np.array_equal(decode_picture(data), frame)


@pytest.mark.parametrize("template", ["flow_{axis}_{:05d}.jpg", "{axis:uv}/{:03d}.jpg"])
def test_flow_has_two_channels(tmp_path: Path, template: str) -> None:
    from stspec.data.images import picture_name

    for number in (1, 2, 3):
        for axis, level in (("x", 40 * number), ("y", 255 - 40 * number)):
            path = tmp_path / picture_name(template, number, axis)
            path.parent.mkdir(exist_ok=True)
            grey = torch.full((16, 16, 3), level, dtype=torch.uint8)
            path.write_bytes(encode_jpeg(grey))
    manifest = Manifest(tmp_path, (Sample("a", "."),), ("a",), "flow", template)
    with open_sample(manifest, manifest.samples[0]) as video:
        assert video.count == 3
        frames = video.read([2, 0]).int()
    assert frames.shape == (2, 16, 16, 2)
    expected = torch.tensor([[120, 135], [40, 215]])
    assert (frames[:, 8, 8] - expected).abs().max() <= 1


def manifest(tmp_path: Path, **sample: int) -> Manifest:
    folder_of(tmp_path / "clip", 10)
    found = Sample("clip", "clip", (0,), **sample)
    return Manifest(tmp_path, (found,), ("a",), "frames")


def test_a_stale_count_is_noticed(tmp_path: Path) -> None:
    found = manifest(tmp_path, frames=12)
    with pytest.raises(DecodeError, match="the list promises 12 frames, 10 are there"):
        open_sample(found, found.samples[0])


def test_a_piece_of_a_folder(tmp_path: Path) -> None:
    found = manifest(tmp_path, first=3, last=6, frames=4)
    with open_sample(found, found.samples[0]) as video:
        assert video.count == 4
        assert numbers(video.read([0, 3])) == [3, 6]


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    found = manifest(tmp_path, frames=10)
    (tmp_path / "clip" / "img_00004.jpg").unlink()
    with open_sample(found, found.samples[0]) as video, pytest.raises(DecodeError) as told:
        video.read([2, 3])
    assert told.value.path.endswith("img_00004.jpg")


@pytest.mark.parametrize("template", ["image_{:05d}.jpg", "{:05d}.jpg"])
def test_another_template_is_told(tmp_path: Path, template: str) -> None:
    folder = folder_of(tmp_path / "clip", 3)
    with pytest.raises(DecodeError, match=r"img_00001.jpg: set `template`"):
        PictureVideo(folder, template, 1)


def test_another_start_is_told(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clip", 3, start=5)
    with pytest.raises(DecodeError, match=r"its first is img_00005.jpg: set `start`"):
        PictureVideo(folder, "img_{:05d}.jpg", 1)


@pytest.mark.parametrize("wrong", [b"", b"words", b"\xff\xd8\xff", b"\x89PNG\r\n"])
def test_broken_pictures_are_named(tmp_path: Path, wrong: bytes) -> None:
    folder = folder_of(tmp_path / "clip", 3)
    (folder / "img_00002.jpg").write_bytes(wrong)
    with PictureVideo(folder, "img_{:05d}.jpg", 1) as video, pytest.raises(DecodeError) as told:
        video.read([0, 1])
    assert told.value.path.endswith("img_00002.jpg")


def test_a_picture_that_is_cut_short_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clip", 3)
    whole = (folder / "img_00002.jpg").read_bytes()
    (folder / "img_00002.jpg").write_bytes(whole[: len(whole) // 2])
    with PictureVideo(folder, "img_{:05d}.jpg", 1) as video, pytest.raises(DecodeError) as told:
        video.read([1])
    assert told.value.reason == "it is cut short"


def test_pictures_of_two_sizes_are_told(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clip", 3)
    small = torch.zeros(16, 16, 3, dtype=torch.uint8)
    (folder / "img_00002.jpg").write_bytes(encode_jpeg(small))
    with (
        PictureVideo(folder, "img_{:05d}.jpg", 1) as video,
        pytest.raises(DecodeError, match="another size"),
    ):
        video.read([0, 1])


def test_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="no such folder"):
        PictureVideo(tmp_path / "absent", "img_{:05d}.jpg", 1)
