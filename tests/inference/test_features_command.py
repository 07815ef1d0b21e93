"""`stspec features` on real files: which tap, which videos, which weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stspec.cli.main import main
from stspec.inference.features import read_index
from stspec.module import build_module
from stspec.network import load
from tests.inference.made import make_model, make_video


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    make_model(folder)
    for name in ("a.mp4", "deep/b c.mp4", "deep/er/d.mkv"):
        make_video(folder / "in" / name, 10)
    (folder / "in" / "notes.txt").write_text("not a video")
    return folder


def arguments(place: Path, source: str, out: Path, *more: str) -> list[str]:
    model = ["-m", str(place / "tiny.yaml"), "--weights", str(place / "tiny.safetensors")]
    return ["features", str(place / source), *model, "-o", str(out), "--workers", "0", *more]


@pytest.mark.parametrize(
    ("more", "shape"),
    [
        ([], (6,)), (["--at", "conv1"], (8,)), (["--at", "conv2", "--pool", "frames"], (6, 4)),
        (["--at", "conv1", "--pool", "none"], (8, 4, 8, 8)), (["--at", "input"], (3,)),
        (["--window", "5", "--every", "4"], (3, 6)), (["--views", "2x3"], (6,)),
        (["--at", "consensus"], (3,)),
    ],
)  # fmt: skip
def test_any_tap_of_a_folder(
    place: Path, tmp_path: Path, more: list[str], shape: tuple[int, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert main(arguments(place, "in", tmp_path, *more)) == 0, capsys.readouterr().err
    rows = read_index(tmp_path)
    assert [row["id"] for row in rows] == ["a.mp4", "deep/b c.mp4", "deep/er/d.mkv"]
    for row in rows:
        assert tuple(row["shape"]) == np.load(tmp_path / row["file"]).shape == shape
    assert main(arguments(place, "in", tmp_path, *more)) == 0
    assert "features of 0 videos" in (out := capsys.readouterr().out) and "3 were there" in out


def test_a_video_and_a_list(place: Path, tmp_path: Path) -> None:
    assert main(arguments(place, "in/deep/b c.mp4", tmp_path / "one")) == 0
    (row,) = read_index(tmp_path / "one")
    assert row["id"] == "b c.mp4"
    (place / "list.csv").write_text("in/a.mp4,1\nin/deep/b c.mp4,0\n")
    assert main(arguments(place, "list.csv", tmp_path / "many")) == 0
    rows = read_index(tmp_path / "many")
    assert [(row["id"], row["labels"]) for row in rows] == [
        ("in/a.mp4", [1]), ("in/deep/b c.mp4", [0]),
    ]  # fmt: skip


def test_other_settings_need_another_folder(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(place, "in", tmp_path)) == 0
    assert main(arguments(place, "in", tmp_path, "--at", "conv1")) == 2
    assert "tap (head_pool before, conv1 now)" in " ".join(capsys.readouterr().err.split())


def test_only_what_stands_before_the_tap_needs_weights(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = build_module(load(str(place / "tiny.yaml"))).state_dict()
    kept = {key: value for key, value in state.items() if not key.startswith("fc")}
    torch.save(kept, tmp_path / "trunk.pt")
    words = arguments(place, "in", tmp_path / "out", "--weights", str(tmp_path / "trunk.pt"))
    assert main(words) == 0
    assert main([*words, "--at", "consensus"]) == 2
    assert "has no values for fc.weight" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("source", "more", "words"),
    [
        ("in", ["--at", "conv9"], "did you mean `conv"),
        ("in/deep/er/none", [], "none"),
        ("empty", [], "holds no videos"),
        ("in", ["--weights", "no.pt"], "no.pt"),
    ],
)
def test_mistakes_are_told(
    place: Path, tmp_path: Path, source: str, more: list[str], words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (place / "empty").mkdir(exist_ok=True)
    assert main(arguments(place, source, tmp_path / "out", *more)) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert words in err and "internal-error" not in err


def test_broken_videos_are_left_out_of_the_index(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_video(tmp_path / "in" / "a.mp4")
    (tmp_path / "in" / "b.mp4").write_bytes(b"")
    words = arguments(place, "in", tmp_path / "out")
    words[1] = str(tmp_path / "in")
    assert main(words) == 2
    assert "--broken skip" in " ".join(capsys.readouterr().err.split())
    assert main([*words, "--broken", "skip"]) == 0
    out, err = capsys.readouterr()
    assert "1 cannot be read" in out and "b.mp4" in err
    assert [row["id"] for row in read_index(tmp_path / "out")] == ["a.mp4"]
