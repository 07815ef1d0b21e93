"""What Python offers beside the commands: the same, as values."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import stspec
from stspec.cli.main import main
from stspec.diagnostics import SpecError
from stspec.evaluate.predictions import read_predictions
from stspec.module import build_module
from stspec.network import spec_text
from stspec.runs.directory import RunFolder, open_run
from stspec.runs.weights import save_weights
from stspec.train.recipe import load_recipe
from tests.inference.made import CLASSES, make_model, make_video


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and four videos in folders of classes."""
    folder = tmp_path_factory.mktemp("api")
    make_model(folder)
    for n, name in enumerate(("up", "down", "left", "left")):
        make_video(folder / "data" / "val" / name / f"{n}.mp4", 9 + 3 * n)
    return folder


def tiny(place: Path) -> tuple[str, Path]:
    return str(place / "tiny.yaml"), place / "tiny.safetensors"


def make_run(place: Path, folder: Path) -> Path:
    network = stspec.load(str(place / "tiny.yaml"))
    run = RunFolder(folder)
    run.lock()
    files = {"spec.yaml": spec_text(network), "recipe.yaml": load_recipe("study2021").text()}
    about = {"name": "tiny", "recipe": "study2021", "data": {"path": str(place / "data")}}
    run.create(files, {"data.json": {"classes": list(CLASSES)}}, about)
    torch.manual_seed(3)
    save_weights(folder, network, build_module(network).state_dict(), {"classes": list(CLASSES)})
    run.unlock()
    return folder


def code(call: Callable[[], Any]) -> str:
    with pytest.raises(SpecError) as caught:
        call()
    return caught.value.diagnostics[0].code


def test_evaluate_gives_what_the_command_writes(place: Path, tmp_path: Path) -> None:
    spec, weights = tiny(place)
    arguments = [
        "eval", spec, "--weights", str(weights), "--data", str(place / "data"),
        "--views", "2x1", "--fuse", "logits", "--workers", "0", "-o", str(tmp_path),
    ]  # fmt: skip
    assert main(arguments) == 0
    (path,) = tmp_path.glob("*.npz")
    written = read_predictions(path)
    notes: list[str] = []
    counts: list[tuple[int, int]] = []
    found = stspec.evaluate(
        spec, place / "data", weights=weights, views="2x1", fuse="logits", workers=0,
        batch=3, note=notes.append, progress=lambda *told: counts.append(told),
    )  # fmt: skip
    assert found.ids == written.ids and found.labels == written.labels
    np.testing.assert_allclose(found.logits, written.logits, rtol=1e-5, atol=1e-5)
    assert (found.fuse, found.views.count) == ("logits", 2)
    assert notes and [done for done, _ in counts] == sorted(done for done, _ in counts)
    assert counts[-1][0] == 8


def test_a_compiled_network_does_as_well_as_its_file(place: Path) -> None:
    spec, weights = tiny(place)
    options: dict[str, Any] = {"weights": weights, "workers": 0}
    by_file = stspec.evaluate(spec, place / "data", **options)
    compiled = stspec.evaluate(stspec.load(spec), place / "data", **options)
    wider = stspec.evaluate(stspec.load(spec, ["classes=9"]), place / "data", **options)
    np.testing.assert_array_equal(by_file.logits, compiled.logits)
    np.testing.assert_array_equal(by_file.logits, wider.logits)


def test_a_run_or_its_folder(place: Path, tmp_path: Path) -> None:
    folder = make_run(place, tmp_path / "run")
    by_folder = stspec.evaluate(folder, workers=0)
    by_run = stspec.evaluate(open_run(folder), workers=0)
    np.testing.assert_array_equal(by_folder.logits, by_run.logits)
    assert by_run.classes == CLASSES
    told = code(lambda: stspec.evaluate(folder, overrides=["clip.frames=2"], workers=0))
    assert told == "run-is-fixed"


def test_predict_gives_what_the_command_prints(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, weights = tiny(place)
    videos = sorted((place / "data").rglob("*.mp4"))
    asked = ["predict", *map(str, videos), "-m", spec, "--weights", str(weights), "--json"]
    assert main([*asked, "--window", "4", "--top", "2"]) == 0
    printed = json.loads(capsys.readouterr().out)
    found = list(stspec.predict(spec, videos, weights=weights, window=4, top=2))
    assert [one.to_json() for one in found] == printed
    (one,) = stspec.predict(spec, videos[0], weights=weights, classes=CLASSES, top=1)
    assert one.top[0].name in CLASSES
    strange = partial(stspec.predict, spec, videos, weights=weights, classes="abc")
    assert code(strange) == "unreadable-classes"


def test_features_are_written_and_counted(place: Path, tmp_path: Path) -> None:
    spec, weights = tiny(place)
    told: list[int] = []
    for written, before in ((4, 0), (0, 4)):
        summary = stspec.features(
            spec, place / "data", tmp_path, weights=weights, at="conv1", pool="frames",
            workers=0, progress=lambda _s, _v, _f, total: told.append(total),
        )  # fmt: skip
        assert (summary.written, summary.before) == (written, before)
    assert told == [4] * 4
    rows = [json.loads(line) for line in (tmp_path / "index.jsonl").read_text().splitlines()]
    assert all(np.load(tmp_path / row["file"]).shape == (8, 4) for row in rows)


def test_bench_measures_every_combination(place: Path) -> None:
    spec, _ = tiny(place)
    mine = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten())
    told: list[int] = []
    found = stspec.bench(
        stspec.load(spec), against=[spec, mine], batch=[1, 2], frames=2, rounds=2, warmup=0,
        layout=("contiguous", "channels_last"), progress=lambda rows: told.append(len(rows)),
    )  # fmt: skip
    assert told == [3] * 4
    assert [row.name for row in found.rows] == ["tiny", "tiny", "Sequential"] * 4
    assert {row.clip for row in found.rows} == {(3, 2, 16, 16)}
    assert found.rows[0].ratio is None and found.rows[2].ratio is not None
    assert json.loads(json.dumps(found.to_json()))["machine"]["device"] == "cpu"


def test_mistakes_are_diagnoses(place: Path, tmp_path: Path) -> None:
    spec, weights = tiny(place)
    data: Any = place / "data"
    bad: Any = "bad"
    options: dict[str, Any] = {"weights": weights, "workers": 0}
    assert code(lambda: stspec.evaluate(spec, data)) == "no-weights"
    assert code(lambda: stspec.evaluate(spec, **options)) == "no-data"
    assert code(lambda: stspec.evaluate("nothing", data, **options)) == "unknown-spec"
    for name in ("split", "precision", "broken"):
        wrong = {**options, name: bad}
        told = code(partial(stspec.evaluate, spec, data, **wrong))
        assert told == "unknown-choice"
    assert code(lambda: stspec.evaluate(spec, data, sampling=bad, **options)) == "unknown-choice"
    assert code(lambda: stspec.evaluate(spec, data, views="3", **options)) == "bad-views"
    names = ["a", "b"]
    assert code(lambda: stspec.predict(spec, [], weights=weights, classes=names)) == "class-count"
    assert code(lambda: stspec.predict(spec, [], weights=weights, every=3)) == "no-window"
    out = tmp_path / "out"
    assert code(lambda: stspec.features(spec, data, out, pool=bad, **options)) == "unknown-choice"
    assert code(lambda: stspec.features(spec, data, out, at=bad, **options)) == "unknown-tap"
    assert code(lambda: stspec.bench(spec, precision=bad)) == "unknown-choice"
    assert code(lambda: stspec.bench(spec, device="tpu")) == "no-device"
    assert code(lambda: stspec.bench(spec, against="mine.py:Net")) == "no-file"


@pytest.mark.parametrize(
    "name", ["build", "emit", "cost", "diff", "load", "load_weights", "train", "evaluate",
             "predict", "features", "bench"],
)  # fmt: skip
def test_functions_are_documented(name: str) -> None:
    function = getattr(stspec, name)
    text = inspect.getdoc(function) or ""
    assert "Raises:" in text
    arguments = inspect.signature(function).parameters
    if len(arguments) > 2 and name != "load_weights":
        missing = [a for a in arguments if f"\n    {a}: " not in text]
        assert not missing
    assert inspect.signature(function).return_annotation is not inspect.Signature.empty
