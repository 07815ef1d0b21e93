"""A bare folder of classes, or one list: a share is held out, the same one each time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stspec.cli.main import main
from stspec.data.manifest import load_manifest, load_split
from stspec.data.sample import Manifest
from stspec.diagnostics import SpecError
from tests.inference.made import make_model, make_video

COUNTS = {"jump": 20, "run": 5, "sit": 2}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, count in COUNTS.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for n in range(count):
            (tmp_path / "data" / name / f"{n}.mp4").write_bytes(b"")
    return tmp_path / "data"


def ids(manifest: Manifest) -> set[str]:
    return {sample.id for sample in manifest}


def parts(data: Path, share: float) -> tuple[set[str], set[str]]:
    train, val = (load_split(data, part, val_share=share) for part in ("train", "val"))
    assert train.classes == val.classes
    return ids(train), ids(val)


@pytest.mark.parametrize(
    ("share", "held"),
    [(0.1, {"jump": 2, "run": 1, "sit": 1}), (0.5, {"jump": 10, "run": 2, "sit": 1}),
     (0.99, {"jump": 19, "run": 4, "sit": 1})],
)  # fmt: skip
def test_every_class_is_divided(folder: Path, share: float, held: dict[str, int]) -> None:
    train, val = parts(folder, share)
    assert not train & val and train | val == ids(load_manifest(folder))
    assert {name: sum(id.startswith(name) for id in val) for name in COUNTS} == held
    assert parts(folder, share) == (train, val)


def test_where_it_lies_and_what_is_added_change_little(folder: Path, tmp_path: Path) -> None:
    _, before = parts(folder, 0.25)
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    assert parts(moved, 0.25)[1] == before
    (folder / "jump" / "new.mp4").write_bytes(b"")
    _, after = parts(folder, 0.25)
    assert len(after ^ before) <= 2


def test_pieces_of_a_file_go_together(tmp_path: Path) -> None:
    lines = [f"v{n}.mp4 {s} {s + 9} {n % 2}" for n in range(12) for s in (1, 20, 40)]
    (tmp_path / "all.txt").write_text("\n".join(lines) + "\n")
    train, val = (load_split(tmp_path / "all.txt", p, val_share=0.2) for p in ("train", "val"))
    assert len(train) + len(val) == 36 and len(val) == 6
    assert not {s.path for s in train} & {s.path for s in val}


def test_what_cannot_be_divided(folder: Path) -> None:
    for share in (0, 1, -0.1, 1.5):
        with pytest.raises(SpecError, match="cannot be held out"):
            load_split(folder, "val", val_share=share)
    (folder / "alone").mkdir()
    (folder / "alone" / "0.mp4").write_bytes(b"")
    with pytest.raises(SpecError, match="`alone` has a single file"):
        load_split(folder, "train", val_share=0.1)
    (folder / "val").mkdir()
    with pytest.raises(SpecError, match="divided-already"):
        load_split(folder, "train", val_share=0.1)


def test_the_message_about_a_bare_folder_says_how(folder: Path) -> None:
    with pytest.raises(SpecError, match="neither train nor val") as caught:
        load_split(folder, "train")
    assert "--val-share 0.1" in str(caught.value.diagnostics[0].help)


def test_training_and_testing_keep_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("up", "down", "left"):
        for n in range(4):
            make_video(tmp_path / "data" / name / f"{n}.mp4", 9)
    spec, _ = make_model(tmp_path)
    data, run = str(tmp_path / "data"), tmp_path / "run"
    base = ["train", str(spec), "--data", data, "--workers", "0", "--device", "cpu"]
    base += ["--set", "batch=3", "--set", "epochs=1", "--set", "data.crop=none", "--set",
             "data.short_side=16", "--run", str(run)]  # fmt: skip
    assert main(base) == 2
    assert "--val-share 0.1" in capsys.readouterr().err
    assert main([*base, "--val-share", "0.25"]) == 0
    assert main(["eval", str(run), "--workers", "0"]) == 0
    assert "3 videos" in capsys.readouterr().out
