"""The loader over real mp4 files, lists and decoders, whole and broken."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from stspec.data.augment import Augmentation
from stspec.data.dataset import Broken, ClipDataset
from stspec.data.loader import eval_loader, train_loader
from stspec.data.manifest import load_split
from stspec.data.motions import CLASSES, make_motions
from stspec.diagnostics import SpecError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "motions"
    make_motions(folder, train=24, val=12, frames=12, size=32, seed=0, workers=1)
    return folder


@pytest.fixture
def hurt(made: Path, tmp_path: Path) -> Path:
    """Clip 3 is cut short, clip 5 is empty, clip 7 is not there."""
    folder = tmp_path / "motions"
    shutil.copytree(made, folder)
    clips = [folder / "train" / f"{k:05d}.mp4" for k in (3, 5, 7)]
    clips[0].write_bytes(clips[0].read_bytes()[: clips[0].stat().st_size // 2])
    clips[1].write_bytes(b"")
    clips[2].unlink()
    return folder


def dataset(folder: Path, split: str = "train", broken: Broken = "error") -> ClipDataset:
    manifest = load_split(folder, "train" if split == "train" else "val")
    how = Augmentation(frames=4, size=(24, 24), short_side=32, crop="random", classes=CLASSES)
    return ClipDataset(manifest, how, seed=1, broken=broken)


def test_the_same_pixels_from_files_with_and_without_workers(made: Path) -> None:
    data = dataset(made)
    alone = list(train_loader(data, batch=6, epoch=4))
    helped = list(train_loader(data, batch=6, epoch=4, workers=2))
    assert len(alone) == 4
    for one, other in zip(alone, helped, strict=True):
        assert torch.equal(one["clips"], other["clips"])
        assert torch.equal(one["labels"], other["labels"])
    labels = torch.cat([batch["labels"] for batch in alone])
    assert sorted(labels.tolist()) == sorted([*range(12)] * 2)


def test_views_of_a_pair_are_each_others_reverse(made: Path) -> None:
    """Segments of 3 frames: their middles are the same forwards and backwards."""
    (batch,) = eval_loader(dataset(made, "val"), batch=12)
    assert batch["labels"].tolist() == list(range(12))
    for pair in range(0, 8, 2):
        assert torch.equal(batch["clips"][pair], batch["clips"][pair + 1].flip(1))


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_files_are_named_with_their_reasons(hurt: Path, workers: int) -> None:
    (batch,) = train_loader(dataset(hurt, broken="skip"), batch=24, workers=workers)
    assert sorted(batch["indices"].tolist()) == [k for k in range(24) if k not in (3, 5, 7)]
    faults = sorted(fault.split(": ", 1)[0] for fault in batch["faults"])
    assert faults == [str(hurt / "train" / f"{k:05d}.mp4") for k in (3, 5, 7)]
    with pytest.raises(SpecError) as raised:
        list(train_loader(dataset(hurt), batch=24, workers=workers))
    told = "".join(str(raised.value).split())
    assert all(f"{k:05d}.mp4" in told for k in (3, 5, 7))


def test_substitutes_keep_batches_full(hurt: Path) -> None:
    (batch,) = train_loader(dataset(hurt, broken="substitute"), batch=24)
    assert len(batch["clips"]) == 24
    assert len(batch["faults"]) == 3
    assert all(fault.endswith("stands in") for fault in batch["faults"])
