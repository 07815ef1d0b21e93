"""Videos with several labels: learnt, tested and predicted from the command line."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest
import torch
import yaml

from stspec.cli.main import main
from stspec.evaluate.predictions import read_predictions
from stspec.runs.log import read_log
from tests.train.tiny import spec

COLOURS = ("red", "green", "blue")


def make_video(path: Path, shown: tuple[str, ...], rng: Random) -> None:
    """A video that holds light of some colours; none is darkness."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(rng.randrange(1000))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(5):
            frame = noise.integers(0, 40, (32, 32, 3), np.uint8)
            for colour in shown:
                frame[..., COLOURS.index(colour)] += np.uint8(180)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("colours")
    rng = Random(0)
    sets = [c for n in (1, 2, 3) for c in itertools.combinations(COLOURS, n)]
    (folder / "classes.txt").write_text("\n".join(COLOURS) + "\n")
    for part, times in (("train", 4), ("val", 2)):
        lines = []
        for number, shown in enumerate(sets * times):
            name = f"{part}/{number}.mp4"
            make_video(folder / name, shown, rng)
            lines.append(f"{name} {' '.join(str(COLOURS.index(c)) for c in shown)}")
        (folder / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_several_labels_from_the_list_to_the_precision(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    whole = {k: v for k, v in spec(dropout=0).items() if k not in ("name", "classes")}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
    run = tmp_path / "run"
    learn = [
        "train", str(tmp_path / "tiny.yaml"), "--data", str(data), "--recipe", "motions",
        "--set", "batch=7", "--set", "epochs=12", "--set", "optimizer.lr=0.5", "--set",
        "schedule.warmup=0", "--workers", "0", "--run", str(run),
    ]  # fmt: skip
    assert main(learn) == 0, capfd.readouterr().err
    said = capfd.readouterr()
    assert "3 classes, as the data have" in said.err
    assert "mAP" in said.out + said.err or "mean_ap" in said.out + said.err
    last = list(read_log(run / "log.jsonl"))[-1]["val"]
    assert main(["eval", str(run), "--workers", "0", "--json"]) == 0, capfd.readouterr().err
    told = json.loads(capfd.readouterr().out)
    assert told["mean_ap"] == pytest.approx(last["mean_ap"]) and told["mean_ap"] > 0.95
    (path,) = (run / "predictions").glob("*.npz")
    found = read_predictions(path)
    assert found.multi_label and found.classes == COLOURS
    assert told["mean_ap"] == pytest.approx(_mean_precision(found.fused, found.labels))
    sums = found.fused.sum(axis=1)
    assert sums.min() < 0.9 or sums.max() > 1.1, "each class has a probability of its own"
    assert main(["eval", str(run), "--workers", "0"]) == 0
    assert "mAP" in capfd.readouterr().out
    video = data / "val" / "6.mp4"
    for model in ([str(run)], [learn[1], "--weights", str(run / "weights.safetensors")]):
        model += ["--set", "classes=3"] if len(model) > 1 else []
        asked = ["predict", str(video), "-m", *model, "--recipe", str(run / "recipe.yaml")]
        assert main([*asked, "--json"]) == 0, capfd.readouterr().err
        (guess,) = json.loads(capfd.readouterr().out)
        assert sum(each["score"] for each in guess["top"]) > 1.5, "white light holds all colours"


def _mean_precision(scores: np.ndarray, labels: tuple[tuple[int, ...], ...]) -> float:
    """The mean over classes of the precision at each of its videos, ranked by score."""
    found = []
    for number in range(scores.shape[1]):
        order = np.argsort(-scores[:, number], kind="stable")
        right = np.array([number in labels[place] for place in order])
        precision = right.cumsum() / np.arange(1, len(right) + 1)
        found.append(precision[right].mean())
    return float(np.mean(found))
