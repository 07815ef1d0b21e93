"""`stspec train` as people and schedulers call it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from stspec.cli.main import main
from stspec.data.motions import make_motions
from stspec.runs import open_run
from stspec.runs.log import read_log
from tests.train.tiny import spec


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("motions")
    make_motions(folder, train=24, val=12, frames=6, size=32, seed=0, workers=0)
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    whole = {key: value for key, value in spec().items() if key not in ("name", "classes")}
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    return path


def arguments(tiny: Path, data: Path, run: Path, *more: str) -> list[str]:
    return [
        "train", str(tiny), "--data", str(data), "--recipe", "motions", "--set", "batch=8",
        "--set", "epochs=2", "--run", str(run), "--workers", "0", *more,
    ]  # fmt: skip


def test_a_run_from_the_command_line(
    tiny: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(arguments(tiny, data, run)) == 0
    said = capfd.readouterr()
    assert "top-1" in said.out
    assert "12 classes, as the data have" in said.err
    assert "epoch 2/2" in said.err
    records = list(read_log(run / "log.jsonl"))
    assert [row["kind"] for row in records] == ["step"] * 3 + ["epoch"] + ["step"] * 3 + ["epoch"]
    assert records[-1]["val"]["count"] == 12
    assert len(open_run(run).classes) == 12
    assert main(arguments(tiny, data, run)) == 2
    assert "holds a run already" in " ".join(capfd.readouterr().err.split())


def test_dry_run_trains_nothing(
    tiny: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(arguments(tiny, data, run, "--dry-run", "--set", "clip.frames=8")) == 0
    said = capfd.readouterr().out
    assert "6 steps" in said and "8x16x16" in said and "memory" in said
    assert "1 of the 8 frames" in said
    assert not run.exists()


def test_mistakes_are_told(
    tiny: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for more, words in (
        (["--set", "optimzer.lr=1"], "did you mean `optimizer`"),
        (["--set", "batch=999"], "a batch has 999"),
        (["--set", "classes=5"], "the data have 12 classes, the spec has 5"),
        (["--track", "wandbb"], "did you mean `wandb`"),
        (["--device", "gpu"], "no device `gpu`"),
        (["--resume", str(tmp_path)], "no run in"),
        (["--resume", str(tmp_path), "--seed", "0"], "--seed: a run goes on as it was started"),
    ):
        given = arguments(tiny, data, tmp_path / "run", *more)
        if "--resume" in more:
            given = ["train", *more]
        assert main(given) == 2
        said = " ".join(capfd.readouterr().err.replace("\n  = help:", "").split())
        assert words in said, said


def test_dry_run_refuses_what_would_stop_the_run(
    tiny: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    held = tmp_path / "held"
    assert main(arguments(tiny, data, held)) == 0
    capfd.readouterr()
    for more, words in (
        (["--weights", str(tmp_path / "none.pth")], "no such file"),
        (["--track", "wandbb"], "did you mean `wandb`"),
        (["--device", "gpu"], "no device `gpu`"),
        (["--run", str(held)], "holds a run already"),
    ):
        assert main(arguments(tiny, data, tmp_path / "run", "--dry-run", *more)) == 2
        said = " ".join(capfd.readouterr().err.split())
        assert words in said, said


def test_dry_run_fits_the_terminal(
    tiny: Path,
    data: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(arguments(tiny, data, tmp_path / "run", "--dry-run", "--set", "batch=7")) == 0
    said = capfd.readouterr().out
    assert "all\n  activations" in said
    assert max(len(line) for line in said.splitlines()) <= 80


def test_a_scheduler_ends_the_whole_group(tiny: Path, data: Path, tmp_path: Path) -> None:
    """SIGTERM to the run and to its readers at once: status 75, and it goes on."""
    run = tmp_path / "run"
    command = [
        sys.executable, "-m", "stspec.cli", *arguments(tiny, data, run, "--save-every", "1")[:-1],
        "2", "--set", "epochs=400",
    ]  # fmt: skip
    program = subprocess.Popen(
        command, start_new_session=True, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 90
        while not (run / "checkpoints" / "step-00000003.json").exists():
            assert time.monotonic() < deadline and program.poll() is None
            time.sleep(0.02)
        os.killpg(program.pid, signal.SIGTERM)
        _, said = program.communicate(timeout=60)
    finally:
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
    assert program.returncode == 75, said
    assert "--resume" in said and "saved at step" in said
    assert list((run / "checkpoints").glob("*.json"))


def test_how_lists_are_read_is_told(
    tiny: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = (data / "train.csv").read_text().splitlines()[1:]
    listed = tmp_path / "all.txt"
    listed.write_text(
        "".join(f"{data / row.split(',')[0]} {i % 3}\n" for i, row in enumerate(rows))
    )
    assert main(arguments(tiny, listed, tmp_path / "run", "--dry-run")) == 0
    assert "form `video`" in capfd.readouterr().out
    classes = arguments(tiny, listed, tmp_path / "run", "--set", "classes=5")
    assert main(classes) == 2
    assert "form `video`" in capfd.readouterr().err


def test_flow_needs_a_network_of_two_channels(
    tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    listed = tmp_path / "train.txt"
    listed.write_text("a 8 0\nb 8 1\n")
    for name in "ab":
        (clips / name).mkdir()
    given = arguments(tiny, listed, tmp_path / "run", "--root", str(clips), "--kind", "flow")
    given += ["--set", "batch=2", "--dry-run"]
    assert main(given) == 2
    said = " ".join(capfd.readouterr().err.split())
    assert "2 channels, and the network takes 3" in said and "clip.channels=2" in said
    assert main([*given, "--set", "clip.channels=2"]) == 0


def test_stages_are_told_apart(
    tiny: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stages = "stages=[{frames: 2, epochs: 1}, {frames: 4, epochs: 1}]"
    assert main(arguments(tiny, data, tmp_path / "run", "--set", stages)) == 0
    said = capfd.readouterr().err
    first, second = said.index("stage 1 of 2: clips of 2"), said.index("stage 2 of 2: clips of 4")
    assert first < said.index("epoch 1/1") < second < said.rindex("epoch 1/1")


def test_what_validation_leaves_out_is_told(
    tiny: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    videos = sorted(copy.rglob("*.mp4"))
    victim = next(path for path in videos if "val" in str(path.relative_to(copy)))
    victim.write_bytes(b"")
    assert main(arguments(tiny, copy, tmp_path / "run", "--set", "data.broken=skip")) == 0
    said = " ".join(capfd.readouterr().err.split())
    assert said.count("validation: video left out") == 1 and victim.stem in said
    records = [row for row in read_log(tmp_path / "run" / "log.jsonl") if row["kind"] == "epoch"]
    assert [len(row["val"]["left_out"]) for row in records] == [1, 1]
    assert [row["val"]["count"] for row in records] == [11, 11]
