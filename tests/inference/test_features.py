"""Features of folders of videos: right, resumable, whole or not at all, in flat memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from stspec.data.augment import Augmentation
from stspec.data.open import open_sample
from stspec.data.sample import Manifest, Sample
from stspec.data.transforms import normalise, resize, to_clip
from stspec.diagnostics import SpecError
from stspec.inference import features
from stspec.inference.features import BROKEN, INDEX, extract, file_name, read_index
from stspec.inference.stream import Engine, Seen, Sliding, Stream, Whole, loader, run
from stspec.inference.windows import Length
from tests.forking import start
from tests.inference.made import make_video

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
AUGMENTATION = Augmentation(frames=4, size=16, short_side=16)
ABOUT = {"spec": "mean", "weights": "here"}


class Mean(nn.Module):
    """The mean of each frame's channels, (N, C, T)."""

    def forward(self, clips: Tensor) -> Tensor:
        return clips.mean((-2, -1))


def engine() -> Engine:
    return Engine(Mean(), MEAN, STD)


def folder_of(root: Path, *names: str, frames: int = 12) -> Manifest:
    for name in names:
        make_video(root / name, frames)
    samples = tuple(Sample(name, name, (number,)) for number, name in enumerate(names))
    return Manifest(root, samples, tuple(names))


def windowed(length: int | None = None, every: int | None = None) -> Sliding:
    long = Length(length) if length else None
    return Sliding(AUGMENTATION, long, Length(every) if every else None)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_and_a_line_for_each_video(tmp_path: Path, workers: int) -> None:
    manifest = folder_of(tmp_path / "in", "a.mp4", "b/c d.mp4", "ü.mp4")
    out = tmp_path / "out"
    told = extract(engine(), windowed(4, 4), manifest, out, ABOUT, batch=2, workers=workers)
    assert (told.written, told.before, told.broken) == (3, 0, 0)
    rows = {row["id"]: row for row in read_index(out)}
    assert set(rows) == {"a.mp4", "b/c d.mp4", "ü.mp4"}
    row = rows["b/c d.mp4"]
    assert row["windows"] == [[0, 3], [4, 7], [8, 11]] and row["shape"] == [3, 3, 4]
    assert (row["frames"], row["rate"], row["labels"]) == (12, 8.0, [1])
    found = np.load(out / row["file"], allow_pickle=False)
    assert found.shape == (3, 3, 4) and found.dtype == np.float32
    # Frames grow brighter, so the means of the lower right quarter do, window after window.
    with open_sample(manifest, manifest.samples[1]) as video:
        frames = video.read([4, 5, 6, 7])[:, :, 4:28]  # the middle of 24 x 32, then a third less
    expected = normalise(to_clip(resize(frames, 16, 16))[None], MEAN, STD).mean((-2, -1))[0]
    np.testing.assert_allclose(found[1], expected.numpy(), atol=0.05)


def test_a_whole_video_is_one_clip(tmp_path: Path) -> None:
    manifest = folder_of(tmp_path / "in", "a.mp4")
    extract(engine(), windowed(), manifest, tmp_path / "out", ABOUT, form="safetensors", half=True)
    from safetensors.torch import load_file

    (row,) = read_index(tmp_path / "out")
    tensors = load_file(tmp_path / "out" / row["file"])
    assert tensors["features"].dtype == torch.float16 and row["dtype"] == "float16"
    assert tensors["features"].shape == (3, 4) and set(tensors) == {"features"}
    assert row["shape"] == [3, 4] and "windows" not in row


def test_broken_videos_are_named_by_policy(tmp_path: Path) -> None:
    manifest = folder_of(tmp_path / "in", "a.mp4", "b.mp4", "c.mp4")
    (tmp_path / "in" / "b.mp4").write_bytes(b"no video")
    out = tmp_path / "out"
    with pytest.raises(SpecError, match=r"(?s)b\.mp4\s+cannot\s+be\s+read"):
        extract(engine(), windowed(), manifest, out, ABOUT, batch=1)
    assert [row["id"] for row in read_index(out)] == ["a.mp4"]
    told = extract(engine(), windowed(), manifest, out, ABOUT, broken="skip")
    assert (told.written, told.before, told.broken) == (1, 1, 1)
    assert [row["id"] for row in read_index(out)] == ["a.mp4", "c.mp4"]
    (broken,) = (json.loads(line) for line in (out / BROKEN).read_text().splitlines())
    assert broken["id"] == broken["path"] == "b.mp4" and broken["reason"]
    make_video(tmp_path / "in" / "b.mp4")
    told = extract(engine(), windowed(), manifest, out, ABOUT)
    assert (told.written, told.before, told.broken) == (1, 2, 0)
    assert not (out / BROKEN).exists()


def test_other_features_are_refused(tmp_path: Path) -> None:
    manifest = folder_of(tmp_path / "in", "a.mp4")
    out = tmp_path / "out"
    extract(engine(), windowed(), manifest, out, ABOUT)
    extract(engine(), windowed(), manifest, out, {**ABOUT, "weights": "moved"})
    with pytest.raises(SpecError, match=r"(?s)other\s+features:\s+form\s+\(npy\s+before"):
        extract(engine(), windowed(), manifest, out, ABOUT, form="safetensors")
    (out / "features.json").write_text("[")
    with pytest.raises(SpecError, match=r"(?s)holds\s+other\s+features"):
        extract(engine(), windowed(), manifest, out, ABOUT)


def test_lost_files_and_half_a_line_are_made_again(tmp_path: Path) -> None:
    manifest = folder_of(tmp_path / "in", "a.mp4", "b.mp4", "c.mp4")
    out = tmp_path / "out"
    extract(engine(), windowed(), manifest, out, ABOUT)
    whole = (out / INDEX).read_bytes()
    (out / INDEX).write_bytes(whole[:-9])
    (out / "a.mp4.npy").unlink()
    told = extract(engine(), windowed(), manifest, out, ABOUT)
    assert (told.written, told.before) == (2, 1)
    assert sorted(row["id"] for row in read_index(out)) == ["a.mp4", "b.mp4", "c.mp4"]
    (out / INDEX).write_bytes(b"{}\n")
    with pytest.raises(SpecError, match=r"index\.jsonl\s+is\s+damaged"):
        extract(engine(), windowed(), manifest, out, ABOUT)


@given(st.text(max_size=300))
def test_no_id_leads_out_of_the_folder(id: str) -> None:
    path = Path(file_name(id, "npy"))
    assert not path.is_absolute() and ".." not in path.parts and "\0" not in str(path)
    assert all(len(part.encode()) < 255 for part in path.parts)
    assert all(not part.startswith(".") for part in path.parts)
    assert path.name not in (INDEX, "features.json") and path.suffix == ".npy"


def test_ids_that_differ_have_files_that_differ() -> None:
    ids = ["a", "a/b", "/a", "../a", "./a", "a//b", ".a", "a/../b"]
    assert len({file_name(each, "npy") for each in ids}) == len(ids)


def _slowly(source: Path, out: Path, workers: int) -> None:
    """Write features of 24 videos, with time between them for a kill."""
    add = features._Store.add

    def slow(*given: Any) -> None:
        add(*given)
        time.sleep(0.03)

    setattr(features._Store, "add", slow)  # noqa: B010 (mypy knows that methods stay)
    extract(engine(), windowed(4, 4), linked(source), out, ABOUT, batch=3, workers=workers)


def linked(source: Path) -> Manifest:
    names = [f"{n:03}.mp4" for n in range(24)]
    return Manifest(source, tuple(Sample(n, n) for n in names), ())


@pytest.mark.parametrize("workers", [0, 2])
def test_what_sigkill_interrupts_is_continued(tmp_path: Path, workers: int) -> None:
    first = make_video(tmp_path / "in" / "000.mp4")
    for n in range(1, 24):
        os.link(first, tmp_path / "in" / f"{n:03}.mp4")
    out = tmp_path / "out"
    process = start(_slowly, tmp_path / "in", out, workers)
    deadline = time.monotonic() + 60
    while len(read_index(out)) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join()
    assert 4 <= len(read_index(out)) < 24
    left = len(read_index(out))
    told = extract(engine(), windowed(4, 4), linked(tmp_path / "in"), out, ABOUT, batch=3)
    assert (told.before, told.written) == (left, 24 - left)
    rows = read_index(out)
    assert sorted(row["id"] for row in rows) == [f"{n:03}.mp4" for n in range(24)]
    files = [np.load(out / row["file"], allow_pickle=False) for row in rows]
    assert all(np.array_equal(each, files[0]) for each in files)
    strays = {p.name for p in out.iterdir()} - {Path(row["file"]).name for row in rows}
    assert {name for name in strays if not name.startswith(".")} == {INDEX, "features.json"}


def test_two_processes_cannot_write_in_one_folder(tmp_path: Path) -> None:
    code = (
        "import fcntl, sys; file = open(sys.argv[1], 'w');"
        "fcntl.lockf(file, fcntl.LOCK_EX); print('locked', flush=True); sys.stdin.read()"
    )
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-c", code, str(tmp_path / "out" / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"locked\n"
        with pytest.raises(SpecError, match="another process"):
            extract(engine(), windowed(), folder_of(tmp_path / "in"), tmp_path / "out", ABOUT)
        other.communicate()


def test_memory_is_flat_however_many_videos() -> None:
    most = 0

    def pieces(videos: int) -> Iterator[Seen]:
        for number in range(videos):
            for part in range(3):
                clips = torch.zeros(1, 3, 2, 2, 2, dtype=torch.uint8)
                yield Seen(number, 9, None, clips, None, last=part == 2)

    def once(clips: Tensor) -> Tensor:
        nonlocal most
        most = max(most, len(clips))
        return clips.float().mean((1, 2, 3, 4))

    def peak(videos: int) -> int:
        tracemalloc.start()
        found = sum(len(whole.values) for whole in run(once, pieces(videos), 8))
        assert found == 3 * videos
        _, most_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most_bytes

    peak(50)
    assert peak(2_000) < 1.2 * peak(200) + 10_000
    assert most == 8


def test_a_fault_drops_what_was_seen_of_its_video() -> None:
    clips = torch.zeros(1, 3, 2, 2, 2, dtype=torch.uint8)

    def piece(index: int, last: bool, fault: str | None = None) -> Seen:
        return Seen(index, 9, None, None if fault else clips, None, last, fault)

    pieces = [piece(0, False), piece(1, False), piece(0, False), piece(0, True, "cut short"),
              piece(1, True), piece(2, True)]  # fmt: skip
    found = list(run(lambda c: c.float().sum((1, 2, 3, 4)), pieces, 2))
    assert [(w.index, w.fault, len(w.values)) for w in found] == [
        (0, "cut short", 0), (1, None, 2), (2, None, 1),
    ]  # fmt: skip


def test_clips_of_other_sizes_do_not_share_a_batch() -> None:
    sizes: list[tuple[int, ...]] = []

    def note(clips: Tensor) -> Tensor:
        sizes.append(tuple(clips.shape))
        return clips.float().sum((1, 2, 3, 4))

    wide = torch.zeros(2, 3, 2, 2, 4, dtype=torch.uint8)
    tall = torch.zeros(2, 3, 2, 4, 2, dtype=torch.uint8)
    pieces = [Seen(0, clips=wide), Seen(1, clips=tall), Seen(2, clips=tall)]
    found: list[Whole] = list(run(note, pieces, 99))
    assert sizes == [(2, 3, 2, 2, 4), (4, 3, 2, 4, 2)]
    assert [w.values[0].shape for w in found] == [(2,)] * 3


def test_the_loader_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    manifest = folder_of(tmp_path, "a.mp4", "b.mp4")
    state = torch.get_rng_state()
    pieces = list(loader(Stream(manifest, [0, 1], windowed(4, 4)), 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert [p.index for p in pieces] == [0, 0, 0, 1, 1, 1]
    assert [p.last for p in pieces] == [False, False, True] * 2
