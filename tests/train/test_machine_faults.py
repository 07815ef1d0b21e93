"""Faults of the machine: a disk that is full, readers that are killed, files that are gone."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from stspec.cli.main import main
from stspec.data.motions import make_motions
from stspec.diagnostics import SpecError
from stspec.train.feed import Batch
from stspec.train.step import Stepper
from tests.forking import ask
from tests.small_disk import fill, mounted
from tests.train.killing import result, run_tiny
from tests.train.tiny import spec, tiny_train

CHANGES: dict[str, Any] = {"epochs": 2, "batch": 8, "spec": {"classes": 12}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("motions")
    make_motions(folder, train=24, val=12, frames=6, size=32, seed=0, workers=0)
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk") as folder:
        yield folder


def _killing(run: Path, data: Path, told: Any) -> None:
    """Train with two readers, one of which is killed behind the second step."""
    torch.set_num_threads(1)
    own = Stepper.step

    def step(self: Stepper, batch: Batch, step: int, asked: bool) -> Tensor:
        sums = own(self, batch, step, asked)
        if step == 1:
            os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)
        return sums

    setattr(Stepper, "step", step)  # noqa: B010 (mypy knows that methods stay)
    readers = {"data": data, "workers": 2, "persistent": True}
    try:
        tiny_train(run, CHANGES, videos=readers, save_steps=1)
    except SpecError as error:
        told.put(" ".join(str(error).split()))
    except BaseException as error:
        told.put(repr(error))
    else:
        told.put("nothing was said")


def test_a_reader_that_is_killed_ends_the_run_which_can_go_on(data: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "videos": {"data": data, "workers": 0, "persistent": False},
        "save_steps": 1,
    }
    told = ask(_killing, tmp_path / "run", data)
    assert "a process that reads videos" in told, told
    assert "--workers" in told and "--resume" in told
    assert run_tiny(tmp_path / "run", changes=CHANGES, **options) == 0
    assert run_tiny(tmp_path / "unbroken", changes=CHANGES, **options) == 0
    assert result(tmp_path / "run") == result(tmp_path / "unbroken")


def test_a_disk_that_is_full_at_any_moment(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever cannot be written is told, and with room the run goes on to the same end."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    own = Stepper.step
    changes = {"epochs": 2}
    tiny_train(tmp_path / "whole", changes, save_steps=1)
    free: int | None = None

    def step(self: Stepper, batch: Batch, step: int, asked: bool) -> Tensor:
        if step == 2 and free is not None:
            fill(small_disk, free)
        return own(self, batch, step, asked)

    monkeypatch.setattr(Stepper, "step", step)
    told = set()
    for pages in range(32):
        run, free = small_disk / "run", pages
        try:
            tiny_train(run, changes, save_steps=1)
            break
        except SpecError as error:
            again = " ".join(str(error).split())
        with contextlib.suppress(SpecError):
            tiny_train(run, changes, save_steps=1)
        (small_disk / "filler").unlink()
        assert "no space left on device" in again
        assert "--resume" in again
        told.add(again)
        free = None
        tiny_train(run, changes, save_steps=1)
        assert result(run) == result(tmp_path / "whole")
        subprocess.run(["rm", "-r", str(run)], check=True)
    assert len(told) > 1, "the disk was always full at the same moment"
    assert result(run) == result(tmp_path / "whole")
    torch.set_num_threads(threads)


def test_a_full_disk_before_the_start(small_disk: Path) -> None:
    for pages in range(8):
        filler = fill(small_disk, pages)
        with pytest.raises(SpecError) as caught:
            tiny_train(small_disk / "run", {"epochs": 2})
        filler.unlink()
        subprocess.run(["rm", "-rf", str(small_disk / "run")], check=True)
        assert "no space left on device" in " ".join(str(caught.value).split())


def said(capfd: pytest.CaptureFixture[str]) -> str:
    return " ".join(capfd.readouterr().err.replace("\n  = help:", "").split())


@pytest.fixture
def tiny(tmp_path: Path) -> list[str]:
    path = tmp_path / "tiny.yaml"
    whole = {key: value for key, value in spec().items() if key not in ("name", "classes")}
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    return [
        "train", str(path), "--recipe", "motions", "--set", "batch=8", "--set", "epochs=1",
        "--workers", "0", "--run", str(tmp_path / "run"),
    ]  # fmt: skip


def test_all_missing_files_are_named_at_once(
    data: Path, tmp_path: Path, tiny: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    lost = tmp_path / "lost"
    gone = ["train/00000.mp4", "train/00007.mp4", "val/00003.mp4"]
    for path in sorted(data.rglob("*")):
        name = path.relative_to(data).as_posix()
        if path.is_file() and name not in gone:
            (lost / name).parent.mkdir(parents=True, exist_ok=True)
            (lost / name).write_bytes(path.read_bytes())
    assert main([*tiny, "--data", str(lost)]) == 2
    told = said(capfd)
    assert all(told.count(name) == 1 for name in gone), told
    assert "00001.mp4" not in told
    assert not (tmp_path / "run").exists()


def test_weights_that_do_not_fit_leave_no_run(
    data: Path, tmp_path: Path, tiny: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.pt"
    bad.write_bytes(b"no weights")
    assert main([*tiny, "--data", str(data), "--weights", str(bad)]) == 2
    assert "neither torch's nor safetensors'" in said(capfd)
    assert not (tmp_path / "run" / "run.json").exists()
    assert main([*tiny, "--data", str(data)]) == 0, said(capfd)
    capfd.readouterr()
    more = ["--data", str(data), "--weights", str(tmp_path / "run"), "--run", str(tmp_path / "two")]
    assert main([*tiny, *more]) == 0, said(capfd)
    assert "weights:" in said(capfd)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(
    data: Path, tmp_path: Path, tiny: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    for device, words in (
        ("cuda", "torch finds no CUDA device"),
        ("cuda:3", "torch finds no CUDA device"),
        ("meta", "nothing can be computed on the device `meta` here"),
    ):
        assert main([*tiny, "--data", str(data), "--device", device]) == 2
        assert words in said(capfd)
        assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_one(
    data: Path, tmp_path: Path, tiny: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").write_text("a file")
    assert main([*tiny, "--data", str(data)]) == 2
    told = said(capfd)
    assert "file exists" in told and "another folder with --run" in told
