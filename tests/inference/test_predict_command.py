"""`stspec predict` on real files: whole, window by window, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stspec.cli.main import main
from stspec.data.augment import Augmentation
from stspec.data.open import Piece, open_video
from stspec.data.sample import Sample
from stspec.data.transforms import normalise
from stspec.inference.predict import best
from stspec.module import build_module, load_weights
from stspec.network import load
from tests.inference.made import CLASSES, make_model, make_video

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predict")
    make_model(folder)
    make_video(folder / "short.mp4", 5, rate=10)
    make_video(folder / "long one.mp4", 34, rate=10)
    return folder


def arguments(place: Path, *more: str | Path) -> list[str]:
    model = ["-m", str(place / "tiny.yaml"), "--weights", str(place / "tiny.safetensors")]
    return ["predict", *map(str, more), *model]


def expected(place: Path, path: Path, first: int, count: int) -> dict[str, float]:
    """The model's probabilities of a piece of a video, worked out step by step."""
    network = load(str(place / "tiny.yaml"))
    module = build_module(network).eval()
    load_weights(network, module, place / "tiny.safetensors")
    with open_video(path) as video:
        piece = Piece(video, str(path), first, count)
        (clip,) = Augmentation(frames=4, size=16).views(piece, Sample("x", "x"))
    with torch.no_grad():
        scores = module(normalise(clip.pixels[None], MEAN, STD)).softmax(1)[0]
    return dict(zip(CLASSES, scores.tolist(), strict=True))


def as_scores(top: list[dict[str, Any]]) -> dict[str, float]:
    return {each["class"]: each["score"] for each in top}


def test_whole_videos(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = [place / "long one.mp4", place / "short.mp4"]
    assert main(arguments(place, *videos, "--json", "--top", "3")) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["video"] for each in told] == list(map(str, videos))
    assert [each["frames"] for each in told] == [34, 5] and told[0]["rate"] == 10.0
    for each, path in zip(told, videos, strict=True):
        scores = [guess["score"] for guess in each["top"]]
        assert scores == sorted(scores, reverse=True) and "windows" not in each
        wanted = expected(place, path, 0, each["frames"])
        assert as_scores(each["top"]) == pytest.approx(wanted, abs=1e-4)
        assert all(CLASSES[guess["number"]] == guess["class"] for guess in each["top"])


@pytest.mark.parametrize("workers", ["0", "2"])
def test_windows_have_times_and_scores_of_their_own(
    place: Path, workers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = place / "long one.mp4"
    options = ["--window", "1s", "--every", "8", "--json", "--batch", "3", "--workers", workers]
    assert main(arguments(place, path, *options)) == 0
    (told,) = json.loads(capsys.readouterr().out)
    windows = told["windows"]
    spans = [(w["first"], w["last"], w["start"], w["end"]) for w in windows]
    assert spans == [
        (0, 9, 0.0, 1.0), (8, 17, 0.8, 1.8), (16, 25, 1.6, 2.6), (24, 33, 2.4, 3.4),
    ]  # fmt: skip
    wanted = [expected(place, path, w["first"], 10) for w in windows]
    for window, scores in zip(windows, wanted, strict=True):
        assert as_scores(window["top"]) == pytest.approx(scores, abs=1e-4)
    mean = {name: float(np.mean([w[name] for w in wanted])) for name in CLASSES}
    assert as_scores(told["top"]) == pytest.approx(mean, abs=1e-4)


def test_what_people_read(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.json"
    options = ["--top", "1", "--window", "20", "-o", str(file)]
    assert main(arguments(place, place / "long one.mp4", *options)) == 0
    out = capsys.readouterr().out
    assert "34 frames at 10 a second" in out and "0.00-2.00 s" in out and "1.40-3.40 s" in out
    assert sum(name in out for name in CLASSES) >= 1
    assert len(json.loads(file.read_text())[0]["windows"]) == 2


def test_videos_that_cannot_be_read_are_told_beside_the_others(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (place / "long one.mp4").read_bytes()
    (tmp_path / "notes.mp4").write_text("no video")
    (tmp_path / "empty.avi").write_bytes(b"")
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    bad = [
        tmp_path / "notes.mp4",
        tmp_path / "empty.avi",
        tmp_path / "cut.mp4",
        tmp_path / "no.mp4",
    ]
    assert main(arguments(place, *bad, place / "short.mp4", "--json")) == 1
    told = json.loads(capsys.readouterr().out)
    assert [bool(each.get("fault")) for each in told] == [True] * 4 + [False]
    assert told[4]["top"][0]["class"] in CLASSES
    assert main(arguments(place, tmp_path / "notes.mp4")) == 1
    assert "notes.mp4: " in capsys.readouterr().err


def test_names_of_classes_come_from_a_file(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two.txt").write_text("a\nb\n")
    assert main(arguments(place, place / "short.mp4", "--classes", tmp_path / "two.txt")) == 2
    assert "gives 3 scores" in " ".join(capsys.readouterr().err.split())
    bare = tmp_path / "bare.safetensors"
    bare.write_bytes((place / "tiny.safetensors").read_bytes())
    words = ["predict", str(place / "short.mp4"), "-m", str(place / "tiny.yaml"), "--json"]
    assert main([*words, "--weights", str(bare)]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert {each["class"] for each in told["top"]} == {"class 0", "class 1", "class 2"}
    (tmp_path / "names.json").write_text('["x", "y", "z"]')
    assert main([*words, "--weights", str(bare), "--classes", str(tmp_path / "names.json")]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert {each["class"] for each in told["top"]} == {"x", "y", "z"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--every", "4"], "--every goes with --window"),
        (["--window", "4x"], "--window cannot be `4x`"),
        (["--size", "300", "--set", "clip.sise=3"], "did you mean `size`"),
    ],
)
def test_mistakes_are_told(
    place: Path, more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(place, place / "short.mp4", *more)) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_scores_that_are_not_finite_are_no_answer(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = load(str(place / "tiny.yaml"))
    state = {key: torch.full_like(value, torch.nan) if value.is_floating_point() else value
             for key, value in build_module(network).state_dict().items()}  # fmt: skip
    torch.save(state, tmp_path / "nan.pt")
    words = ["predict", str(place / "short.mp4"), "-m", str(place / "tiny.yaml")]
    assert main([*words, "--weights", str(tmp_path / "nan.pt")]) == 1
    assert "not finite" in capsys.readouterr().err


def test_among_equal_classes_the_first_is_told() -> None:
    found = best(np.array([0.25, 0.5, 0.5, 0.0]), ["a", "b", "c", "d"], 3)
    assert [(g.number, g.name) for g in found] == [(1, "b"), (2, "c"), (0, "a")]


@pytest.mark.needs_videos
def test_real_videos(place: Path, videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = sorted(p for p in videos.iterdir() if p.suffix in (".mp4", ".avi"))
    assert main(arguments(place, *paths, "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    counts = {Path(each["video"]).name: each["frames"] for each in told}
    assert counts == {
        "arm_wrestling.mp4": 280, "cleaning_pool.mp4": 300, "cleaning_pool_short.mp4": 32,
        "apply_eye_makeup.avi": 164, "two_people_1080p.mp4": 72, "standing_1080p.avi": 103,
    }  # fmt: skip
    assert all(sum(g["score"] for g in each["top"]) == pytest.approx(1) for each in told)


def test_the_weights_tell_how_many_classes_there_are(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (place / "tiny.yaml").read_text(encoding="utf-8")
    spec = tmp_path / "other.yaml"
    spec.write_text(text.replace("classes: 3", "classes: 400"), encoding="utf-8")
    weights = ["--weights", str(place / "tiny.safetensors")]
    video = str(place / "short.mp4")
    assert main(["predict", video, "-m", str(spec), *weights, "--json", "--top", "3"]) == 0
    other = capsys.readouterr().out
    assert main(arguments(place, video, "--json", "--top", "3")) == 0
    assert json.loads(other) == json.loads(capsys.readouterr().out)
