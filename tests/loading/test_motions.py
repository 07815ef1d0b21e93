"""The built-in data set: real files, whose pairs are each other's reverse frame by frame."""

from __future__ import annotations

import io
import json
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from stspec.data.motions import CLASSES, PAIRS, STILL, draw, encode, make_motions
from stspec.diagnostics import SpecError
from stspec.rng import keyed

Pixels = NDArray[np.uint8]


def decode(source: str | io.BytesIO) -> Pixels:
    with av.open(source, "r") as container:
        assert container.streams.video[0].codec_context.name == "h264"
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack(frames).astype(np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "motions"
    make_motions(folder, train=24, val=12, frames=8, size=32, seed=3, workers=1)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_lists_name_every_file_and_class(made: Path) -> None:
    for split, count in (("train", 24), ("val", 12)):
        head, *rows = (made / f"{split}.csv").read_text(encoding="utf-8").splitlines()
        assert head == "path,label,frames"
        assert len(rows) == len(list((made / split).iterdir())) == count
        labels = [row.split(",")[1] for row in rows]
        assert {labels.count(name) for name in CLASSES} == {count // 12}
        assert all((made / row.split(",")[0]).is_file() for row in rows)
    assert tuple((made / "classes.txt").read_text(encoding="utf-8").splitlines()) == CLASSES
    about = json.loads((made / "motions.json").read_text(encoding="utf-8"))
    assert [tuple(pair) for pair in about["pairs"]] == list(PAIRS)
    assert not [path for path in made.parent.iterdir() if path != made]


def test_files_are_videos_of_the_size_asked_for(made: Path) -> None:
    assert decode(str(made / "train" / "00000.mp4")).shape == (8, 32, 32, 3)


def test_the_reverse_of_a_clip_is_its_partners_to_the_last_bit(made: Path) -> None:
    """Whatever looks at frames apart, coding's traces included, sees no difference."""
    clips = [decode(str(made / "train" / f"{k:05d}.mp4")) for k in range(24)]
    for first, second in PAIRS:
        a, b = CLASSES.index(first), CLASSES.index(second)
        for turn in (0, 12):
            assert np.array_equal(clips[a + turn], clips[b + turn][::-1])
            assert not np.array_equal(clips[a + turn], clips[b + turn])
    assert not np.array_equal(clips[0], clips[12])


def test_the_same_files_from_any_number_of_workers(made: Path, tmp_path: Path) -> None:
    other = tmp_path / "deep" / "motions"
    make_motions(other, train=24, val=12, frames=8, size=32, seed=3, workers=2)
    assert contents(other) == contents(made)


def test_train_and_val_and_seeds_differ(made: Path, tmp_path: Path) -> None:
    files = contents(made)
    assert files["train/00000.mp4"] != files["val/00000.mp4"]
    make_motions(tmp_path / "m", train=1, val=1, frames=8, size=32, seed=4, workers=1)
    assert contents(tmp_path / "m")["train/00000.mp4"] != files["train/00000.mp4"]


def test_what_is_there_is_kept_and_nothing_else_is_overwritten(made: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    make_motions(made, train=24, val=12, frames=8, size=32, seed=3)
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before
    with pytest.raises(SpecError, match=r"other\s+settings"):
        make_motions(made, train=24, val=12, frames=8, size=32, seed=4)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SpecError, match=r"something\s+else"):
        make_motions(tmp_path, train=1, val=1)
    (tmp_path / "empty").mkdir()
    make_motions(tmp_path / "empty", train=1, val=1, frames=2, size=16, workers=0)
    assert (tmp_path / "empty" / "val.csv").is_file()


@pytest.mark.parametrize("wrong", [{"train": 0}, {"frames": 1}, {"size": 8}, {"size": 33}])
def test_numbers_out_of_range_are_told(wrong: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=next(iter(wrong))):
        make_motions(tmp_path / "m", **{"train": 1, "val": 1, **wrong})
    assert not (tmp_path / "m").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match=r"cannot\s+write"):
        make_motions(tmp_path / "file" / "m", train=1, val=1)


def away_from_background(clip: Pixels) -> NDArray[np.bool_]:
    """Return where frames (T, H, W) differ from what most of them show."""
    return np.asarray(np.abs(clip.astype(int) - np.median(clip, 0)).sum(-1) > 90)


@pytest.mark.parametrize("seed", range(5))
def test_bodies_do_what_their_class_says(seed: int) -> None:
    """Where the body is in the first and last frame, or how much of it there is."""

    def drawn(name: str) -> Pixels:
        return draw(CLASSES.index(name), keyed(seed), 24, 64)

    def middle(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.asarray(np.argwhere(mask).mean(0))

    moves = away_from_background(drawn("moves right"))
    assert middle(moves[-1])[1] > middle(moves[0])[1] + 8
    appears = drawn("appears").astype(int)
    assert np.abs(appears[-1] - appears[0]).sum(-1).max() > 90
    grows = drawn("grows").astype(int)
    grown = (np.abs(grows - grows[0]).sum(-1) > 90).sum((1, 2))
    assert grown[-1] > grown[12] > grown[2]
    turns = away_from_background(drawn("turns clockwise"))
    y, x = np.transpose([middle(frame) - 31.5 for frame in turns])
    swept = np.diff(np.unwrap(np.arctan2(y, x)))
    assert swept.sum() > 2  # y points down: growing angles are clockwise


def test_bodies_of_still_classes_move_either_way() -> None:
    """Their motion must not tell the class: clips of one class are mixed."""
    index = CLASSES.index(STILL[0])
    starts = [draw(index, keyed(k), 4, 32) for k in range(8)]
    assert len({clip.tobytes() for clip in starts}) == 8


def test_frames_are_coded_apart() -> None:
    clip = draw(0, keyed(1), 6, 32)
    with av.open(io.BytesIO(encode(clip)), "r") as container:
        packets = [p for p in container.demux(video=0) if p.size]
        assert [packet.is_keyframe for packet in packets] == [True] * 6
        assert float(container.streams.video[0].average_rate or 0) == 12
    assert np.abs(decode(io.BytesIO(encode(clip))).astype(int) - clip).mean() < 10
