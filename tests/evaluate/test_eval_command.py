"""`stspec eval` on real files, in one process and several."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stspec.cli.main import main
from stspec.data.augment import Augmentation
from stspec.data.open import open_sample
from stspec.data.sample import Manifest, Sample
from stspec.data.transforms import normalise
from stspec.evaluate.predictions import read_predictions
from stspec.module import build_module, load_weights
from stspec.network import load, spec_text
from stspec.runs.directory import RunFolder
from stspec.train.recipe import load_recipe
from tests.inference.made import CLASSES, make_model, make_video
from tests.train.killing import run_ranks

NUMBERS = {"up": 2, "down": 2, "left": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and five videos in folders of classes."""
    folder = tmp_path_factory.mktemp("eval")
    make_model(folder)
    for name, count in NUMBERS.items():
        for n in range(count):
            make_video(folder / "data" / "val" / name / f"{n} {name}.mp4", 9 + 3 * n + count)
    return folder


def arguments(place: Path, out: Path, *more: str) -> list[str]:
    return [
        "eval", str(place / "tiny.yaml"), "--weights", str(place / "tiny.safetensors"), "--data",
        str(place / "data"), "--views", "2x3", "--workers", "0", "-o", str(out), *more,
    ]  # fmt: skip


def test_predictions_are_the_models_scores(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(place, tmp_path, "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    (path,) = tmp_path.glob("*.npz")
    assert path.name == "tiny-val-2x3-uniform.npz"
    found = read_predictions(path)
    assert found.classes == CLASSES and len(found.ids) == 5
    network = load(str(place / "tiny.yaml"))
    module = build_module(network).eval()
    load_weights(network, module, place / "tiny.safetensors")
    augmentation = Augmentation(frames=4, size=16, short_side=256, clips=2, crops=3)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    right = 0
    for id, labels, rows in zip(found.ids, found.labels, found.logits, strict=True):
        assert CLASSES[labels[0]] == Path(id).parent.name
        sample = Sample(id, id)
        with open_sample(Manifest(place / "data" / "val", (sample,), ()), sample) as video:
            clips = torch.stack([c.pixels for c in augmentation.views(video, sample)])
        with torch.no_grad():
            scores = module(normalise(clips, mean, std))
        np.testing.assert_allclose(rows, scores.numpy(), rtol=1e-4, atol=1e-4)
        right += int(scores.softmax(1).mean(0).argmax()) == labels[0]
    assert told["top1"] == right / 5 and sum(map(sum, told["confusion"])) == 5
    metrics = json.loads((tmp_path / "tiny-val-2x3-uniform.metrics.json").read_text())
    assert metrics["top1"] == told["top1"]
    assert found.about["spec"] == "tiny" and found.about["weights_sha256"]


def test_metrics_follow_from_the_file_alone(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(place, tmp_path, "--json", "--fuse", "logits", "--by", "max")) == 0
    before = json.loads(capsys.readouterr().out)
    (path,) = tmp_path.glob("*.npz")
    assert main(["eval", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == before
    assert main(["eval", str(path), "--json", "--fuse", "probabilities"]) == 0
    after = json.loads(capsys.readouterr().out)
    assert (after["fuse"], after["by"]) == ("probabilities", "max")
    assert after["loss"] != before["loss"]
    assert main(["eval", str(path)]) == 0
    out = capsys.readouterr().out
    assert "5 videos, video level: 2x3 views, max of logits" in out and "top-1" in out


def _evaluate(arguments: list[str], said: Path) -> None:
    with Path(f"{said}.{os.environ['RANK']}").open("w") as file, contextlib.redirect_stdout(file):
        sys.exit(main(arguments))


@pytest.mark.parametrize("processes", [2, 7])
def test_processes_share_the_videos_without_repeats(
    processes: int, place: Path, tmp_path: Path
) -> None:
    """Five videos, also where some processes have none."""
    given = arguments(place, tmp_path / "many", "--device", "cpu")
    assert run_ranks(processes, _evaluate, given, tmp_path / "said") == [0] * processes
    assert main(arguments(place, tmp_path / "one")) == 0
    many, one = (
        read_predictions(tmp_path / name / "tiny-val-2x3-uniform.npz") for name in ("many", "one")
    )
    assert many.ids == one.ids and len(set(many.ids)) == 5 and many.labels == one.labels
    np.testing.assert_allclose(many.logits, one.logits, rtol=1e-5, atol=1e-5)
    said = "".join(path.read_text() for path in tmp_path.glob("said*"))
    assert said.count("5 videos") == 1, "one process speaks"


def test_a_run_knows_its_data_recipe_and_classes(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = load(str(place / "tiny.yaml"))
    recipe = load_recipe(overrides=["test.clips=3", "data.short_side=20", "test.fuse=logits"])
    run = RunFolder(tmp_path / "run")
    run.lock()
    run.create(
        {"spec.yaml": spec_text(network), "recipe.yaml": recipe.text()},
        {"data.json": {"classes": list(CLASSES)}},
        {"name": "tiny", "data": {"path": str(place / "data"), "lists": {}}},
    )
    run.unlock()
    assert main(["eval", str(tmp_path / "run"), "--workers", "0"]) == 2
    assert "has no weights yet" in " ".join(capsys.readouterr().err.split())
    for name in ("tiny.safetensors", "tiny.safetensors.json"):
        (tmp_path / "run" / name.replace("tiny", "weights")).write_bytes(
            (place / name).read_bytes()
        )
    assert main(["eval", str(tmp_path / "run"), "--workers", "0"]) == 0, capsys.readouterr().err
    found = read_predictions(tmp_path / "run" / "predictions" / "val-3x1-uniform.npz")
    assert found.fuse == "logits" and found.about["short_side"] == 20
    assert main(["eval", str(tmp_path / "run"), "--set", "clip.frames=8"]) == 2
    assert "a run is as it was trained" in " ".join(capsys.readouterr().err.split())


def test_broken_videos_stop_it_or_are_left_out(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("up", "down", "left"):
        make_video(tmp_path / "data" / "val" / name / "0.mp4")
    (tmp_path / "data" / "val" / "down" / "0.mp4").write_bytes(b"not a video")
    words = arguments(place, tmp_path / "out")
    words[words.index("--data") + 1] = str(tmp_path / "data")
    assert main(words) == 2
    assert "down/0.mp4" in "".join(capsys.readouterr().err.split())
    assert main([*words, "--broken", "skip"]) == 0
    out, err = capsys.readouterr()
    assert "2 videos, 1 left out" in out and "left out: down/0.mp4" in err
    (path,) = (tmp_path / "out").glob("*.npz")
    assert list(read_predictions(path).faults) == ["down/0.mp4"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--views", "ten"], "no number of views"),
        (["--views", "1x7"], "crops"),
        (["--weights", "absent.pt"], "absent.pt"),
        (["--data", "absent"], "absent"),
        (["--classes", "CLASSES"], "class 0 is `up` for the model and `down` in"),
        (["--recipe", "study2020"], "did you mean `study2021`"),
    ],
)
def test_mistakes_are_told(
    place: Path, tmp_path: Path, change: list[str], words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "classes.txt").write_text("down\nup\nleft\n")
    change = [each.replace("CLASSES", str(tmp_path / "classes.txt")) for each in change]
    assert main(arguments(place, tmp_path / "out", *change)) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert words in err and "internal-error" not in err


def test_weights_are_needed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(place / "tiny.yaml"), "--data", str(place / "data")]) == 2
    assert "name a checkpoint with --weights" in " ".join(capsys.readouterr().err.split())


def test_a_list_that_is_named_is_measured(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "data" / "some.csv").write_text("val/up/0 up.mp4,0\nval/left/0 left.mp4,2\n")
    words = arguments(place, tmp_path)
    words[words.index("--data") + 1] = str(place / "data" / "some.csv")
    assert main(words) == 0, capsys.readouterr().err
    (path,) = tmp_path.glob("*.npz")
    found = read_predictions(path)
    assert found.ids == ("val/up/0 up.mp4", "val/left/0 left.mp4")
    assert found.labels == ((0,), (2,)) and found.classes == CLASSES
